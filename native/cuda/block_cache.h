// A caching allocator: blocks that were given back are kept and handed out again, as the runtime's own allocation and
// release wait for the whole device. One for the memory of each device, one for its page-locked host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "native/core/device_api.h"
#include "native/cuda/stream.h"

namespace fused_bear_loss::cuda {

// The size that a request is rounded up to, so that it finds a block of a similar one: at least 512 bytes, and eight
// steps between powers of two, so at most an eighth is wasted.
std::size_t size_class(std::size_t bytes);

class BlockCache {
 public:
  enum class Kind { kDevice, kPinned };

  BlockCache(Kind kind, int device) : kind_(kind), device_(device) {}
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  struct Block {
    void* pointer;
    std::vector<std::shared_ptr<Event>> last_uses; // the work that uses it has ended when all of these have passed
  };

  // A block of at least `bytes`. With a stream it may be one whose last work on that very stream has yet to run, as
  // what follows on the stream comes after it; without, nothing uses it any more. Where memory is short, gives all
  // cached blocks back to the system and tries once more before it throws DeviceError.
  Block take(std::size_t bytes, const Stream* stream);

  // Of take(), with the last uses of today.
  void give_back(Block block) noexcept;

  void release_cached();
  MemoryCounts counts() const;

 private:
  Block take_cached(std::size_t bytes, const Stream* stream);
  Block allocate(std::size_t bytes);
  void* try_to_allocate(std::size_t bytes, cudaError_t& status) const;
  void free_block(void* pointer) const noexcept;
  void free_cached();

  const Kind kind_;
  const int device_;
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<Block>> cached_; // by size class
  std::unordered_map<void*, std::size_t> used_;                // size classes
  MemoryCounts counts_;
};

} // namespace fused_bear_loss::cuda
