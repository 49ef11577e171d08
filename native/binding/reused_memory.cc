#include "native/binding/reused_memory.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>

// What is kept is poisoned, so that AddressSanitizer reports who still uses it.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes) (static_cast<void>(start), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) (static_cast<void>(start), static_cast<void>(bytes))
#endif

namespace fused_bear_loss {
namespace {

using Block = ReusedMemory::Block;

constexpr std::size_t kCacheLine = 64;
// The allocator keeps smaller blocks by itself.
constexpr std::size_t kLeastKeptBytes = std::size_t{128} << 10;

class KeptBlocks {
 public:
  // One that holds `bytes` and is less than twice as large; without memory where there is none.
  Block take(std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    Block* const fitting = std::find_if(
        begin(), end(), [bytes](const Block& block) { return block.bytes >= bytes && block.bytes / 2 < bytes; });
    return fitting == end() ? Block{} : remove(fitting);
  }

  // In place of those that have been here longest, where there is no room.
  void keep(Block block) noexcept {
    Block dropped[ReusedMemory::kMostKeptBlocks]; // freed when the lock is not held
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Block& each : dropped) {
      if (count_ < std::size(blocks_) && total_ + block.bytes <= ReusedMemory::kMostKeptBytes) break;
      each = remove(begin());
    }
    total_ += block.bytes;
    blocks_[count_++] = std::move(block);
  }

 private:
  Block* begin() { return blocks_; }
  Block* end() { return blocks_ + count_; }

  Block remove(Block* place) noexcept {
    Block block = std::move(*place);
    std::move(place + 1, end(), place);
    --count_;
    total_ -= block.bytes;
    return block;
  }

  std::mutex mutex_;
  Block blocks_[ReusedMemory::kMostKeptBlocks]; // the longest here first
  std::size_t count_ = 0;
  std::size_t total_ = 0;
};

// Never destroyed, as a background thread may give memory back while the process ends.
KeptBlocks& kept_blocks() {
  alignas(KeptBlocks) static char memory[sizeof(KeptBlocks)];
  static auto* const blocks = new (memory) KeptBlocks;
  return *blocks;
}

bool is_worth_keeping(std::size_t bytes) { return bytes >= kLeastKeptBytes && bytes <= ReusedMemory::kMostKeptBytes; }

} // namespace

ReusedMemory::ReusedMemory(std::size_t bytes) {
  const std::size_t needed = bytes + kCacheLine;
  if (is_worth_keeping(needed)) block_ = kept_blocks().take(needed);
  if (block_.memory == nullptr) block_ = {std::unique_ptr<char[]>(new char[needed]), needed};
  ASAN_UNPOISON_MEMORY_REGION(block_.memory.get(), block_.bytes);
}

ReusedMemory::~ReusedMemory() {
  if (!is_worth_keeping(block_.bytes)) return;
  ASAN_POISON_MEMORY_REGION(block_.memory.get(), block_.bytes);
  kept_blocks().keep(std::move(block_));
}

char* ReusedMemory::data() const {
  char* const start = block_.memory.get();
  return start + (kCacheLine - reinterpret_cast<std::uintptr_t>(start) % kCacheLine);
}

} // namespace fused_bear_loss
