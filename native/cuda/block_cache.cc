#include "native/cuda/block_cache.h"

#include <algorithm>
#include <new>
#include <utility>

#include "native/cuda/cuda_status.h"

namespace fused_bear_loss::cuda {

std::size_t size_class(std::size_t bytes) {
  constexpr std::size_t kLeast = 512;
  constexpr std::size_t kStepsPerOctave = 8;
  std::size_t octave = kLeast;
  while (octave * 2 <= bytes) octave *= 2;
  const std::size_t step = std::max(octave / kStepsPerOctave, kLeast);
  return std::max<std::size_t>(1, (bytes + step - 1) / step) * step;
}

namespace {

using Events = std::vector<std::shared_ptr<Event>>;

// Whether what follows on the stream comes after all of them; without a stream, whether they have passed.
bool are_over(const Events& events, const Stream* stream) {
  const auto is_over = [stream](const std::shared_ptr<Event>& event) {
    return (stream != nullptr && event->stream_id() == stream->id()) || event->has_passed();
  };
  return std::all_of(events.begin(), events.end(), is_over);
}

void wait_for(const Events& events) noexcept {
  for (const std::shared_ptr<Event>& event : events) ignore(cudaEventSynchronize(event->handle()));
}

} // namespace

BlockCache::Block BlockCache::take(std::size_t bytes, const Stream* stream) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  Block block = take_cached(size, stream);
  if (block.pointer == nullptr) block = allocate(size);
#if defined(FBL_SIMT_EMULATION)
  if (kind_ == Kind::kDevice) { // bounds are those of the request, once what used the block before is over
    const cudaEvent_t after = block.last_uses.empty() ? nullptr : block.last_uses.back()->handle();
    simt::restrict_global(block.pointer, bytes, after);
  }
#endif
  try {
    used_.emplace(block.pointer, size);
  } catch (const std::bad_alloc&) {
    wait_for(block.last_uses);
    free_block(block.pointer);
    throw;
  }
  ++counts_.used_blocks;
  counts_.used_bytes += static_cast<std::int64_t>(size);
  return block;
}

BlockCache::Block BlockCache::take_cached(std::size_t bytes, const Stream* stream) {
  const auto of_size = cached_.find(bytes);
  if (of_size == cached_.end()) return {};
  std::vector<Block>& blocks = of_size->second;
  const auto found =
      std::find_if(blocks.begin(), blocks.end(), [&](const Block& block) { return are_over(block.last_uses, stream); });
  if (found == blocks.end()) return {};
  Block block = std::move(*found);
  blocks.erase(found);
  --counts_.cached_blocks;
  counts_.cached_bytes -= static_cast<std::int64_t>(bytes);
  return block;
}

BlockCache::Block BlockCache::allocate(std::size_t bytes) {
  const DeviceScope scope(device_);
  cudaError_t status = cudaSuccess;
  void* pointer = try_to_allocate(bytes, status);
  if (status == cudaErrorMemoryAllocation && counts_.cached_blocks > 0) {
    cudaGetLastError();
    free_cached();
    pointer = try_to_allocate(bytes, status);
  }
  check(status, kind_ == Kind::kDevice ? Operation::kAllocateDeviceMemory : Operation::kAllocatePinnedMemory);
  return {pointer, {}};
}

void BlockCache::give_back(Block block) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto used = used_.find(block.pointer);
  const std::size_t size = used->second;
  used_.erase(used);
  --counts_.used_blocks;
  counts_.used_bytes -= static_cast<std::int64_t>(size);
  try {
    cached_[size].push_back(std::move(block));
  } catch (const std::bad_alloc&) {
    wait_for(block.last_uses);
    free_block(block.pointer);
    return;
  }
  ++counts_.cached_blocks;
  counts_.cached_bytes += static_cast<std::int64_t>(size);
}

void BlockCache::release_cached() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const DeviceScope scope(device_);
  free_cached();
}

void BlockCache::free_cached() {
  for (auto& [size, blocks] : cached_) {
    for (const Block& block : blocks) {
      wait_for(block.last_uses);
      free_block(block.pointer);
    }
    blocks.clear();
  }
  counts_.cached_blocks = 0;
  counts_.cached_bytes = 0;
}

MemoryCounts BlockCache::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return counts_;
}

void* BlockCache::try_to_allocate(std::size_t bytes, cudaError_t& status) const {
  void* pointer = nullptr;
  status = kind_ == Kind::kDevice ? cudaMalloc(&pointer, bytes) : cudaHostAlloc(&pointer, bytes, cudaHostAllocPortable);
  return pointer;
}

void BlockCache::free_block(void* pointer) const noexcept {
  ignore(kind_ == Kind::kDevice ? cudaFree(pointer) : cudaFreeHost(pointer));
}

} // namespace fused_bear_loss::cuda
