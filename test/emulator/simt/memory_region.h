// What is known of one array: its bounds, which bytes have been written, the history of each word, the traffic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "test/emulator/simt/race_detector.h"
#include "test/emulator/simt/stream_order.h"

namespace simt {

// Reads and writes that kernels asked for, counted for each two bytes of a range.
struct Traffic {
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  unsigned fewest_reads = 0;
  unsigned most_reads = 0;
  unsigned fewest_writes = 0;
  unsigned most_writes = 0;
};

class MemoryRegion {
 public:
  MemoryRegion(std::uintptr_t base, std::size_t bytes);

  std::uintptr_t base() const { return base_; }
  std::size_t bytes() const { return bytes_; }         // of the allocation
  std::size_t usable_bytes() const { return usable_; } // of them, those that may be touched
  bool holds(std::uintptr_t address, std::size_t bytes) const {
    return address >= base_ && address + bytes <= base_ + usable_;
  }

  // Only the first `bytes` may be touched from now on; nothing has been written.
  void restart(std::size_t bytes);

  void mark_written(std::size_t offset, std::size_t bytes);
  bool is_written(std::size_t offset, std::size_t bytes) const;

  // Checks the running thread's access for races. Blocks before `oldest_block` do not count.
  Race check_races(std::size_t offset, std::size_t bytes, Access access, std::uint32_t oldest_block);

  // Checks the running operation's access against those of other streams and of the host.
  OrderConflict check_order(std::size_t offset, std::size_t bytes, Access access);

  void count(std::size_t offset, std::size_t bytes, Access access);
  Traffic traffic(std::size_t offset, std::size_t bytes) const;
  void clear_traffic();

 private:
  // Words are split into bytes once one is accessed in part.
  static constexpr std::size_t kWord = 4;
  static constexpr std::size_t kWordsOfPage = 1024;
  struct Word {
    AccessHistory whole;
    std::unique_ptr<AccessHistory[]> parts; // [kWord]
  };
  using Page = std::unique_ptr<Word[]>;

  struct OrderedWord {
    OrderHistory whole;
    std::unique_ptr<OrderHistory[]> parts; // as above
  };
  using OrderPage = std::unique_ptr<OrderedWord[]>;

  Word& word(std::size_t index);

  std::uintptr_t base_;
  std::size_t bytes_;
  std::size_t usable_;
  std::vector<std::uint64_t> written_; // a bit for each byte
  std::vector<Page> pages_;
  std::vector<OrderPage> order_pages_;
  std::vector<std::uint8_t> reads_; // for each two bytes; empty until something is counted; full at 255
  std::vector<std::uint8_t> writes_;
};

} // namespace simt
