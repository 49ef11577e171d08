// Memory of a call's own that later calls use again. Fresh memory costs a page fault for every 4 KB, on the thread that
// writes there first. For the copy of the logits that is JavaScript's, and the faults take longer than the copy.
#pragma once

#include <cstddef>
#include <memory>

namespace fused_bear_loss {

class ReusedMemory {
 public:
  // What is kept for later calls, at most.
  static constexpr std::size_t kMostKeptBlocks = 4;
  static constexpr std::size_t kMostKeptBytes = std::size_t{512} << 20;

  struct Block {
    std::unique_ptr<char[]> memory;
    std::size_t bytes = 0;
  };

  // Holds whatever was there before. Throws std::bad_alloc.
  explicit ReusedMemory(std::size_t bytes);
  ~ReusedMemory();
  ReusedMemory(const ReusedMemory&) = delete;
  ReusedMemory& operator=(const ReusedMemory&) = delete;

  char* data() const; // at the start of a cache line

 private:
  Block block_;
};

} // namespace fused_bear_loss
