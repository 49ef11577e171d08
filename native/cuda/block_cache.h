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

  // A block of at least `bytes`. With a stream it may be one whose last work on that very stream has yet to run, as
  // what follows on the stream comes after it; without, nothing uses it any more. Where memory is short, gives all
  // cached blocks back to the system and tries once more before it throws DeviceError.
  void* take(std::size_t bytes, const Stream* stream);

  // Of take(). `last_use`, where given, is the stream on which everything that uses the block has been enqueued.
  void give_back(void* block, const Stream* last_use) noexcept;

  void release_cached();
  MemoryCounts counts() const;

 private:
  struct CachedBlock {
    void* pointer;
    std::uint64_t stream_id;          // 0: none
    std::unique_ptr<Event> last_work; // null: it has passed
  };

  void* take_cached(std::size_t bytes, const Stream* stream);
  void* allocate(std::size_t bytes, cudaError_t& status) const;
  void free_block(void* pointer) const noexcept;
  void free_cached();

  const Kind kind_;
  const int device_;
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<CachedBlock>> cached_; // by size class
  std::unordered_map<void*, std::size_t> used_;                      // size classes
  MemoryCounts counts_;
};

} // namespace fused_bear_loss::cuda
