#include "native/cuda/block_cache.h"

#include <algorithm>
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

void* BlockCache::take(std::size_t bytes, const Stream* stream) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  const DeviceScope scope(device_);
  void* block = take_cached(size, stream);
  if (block == nullptr) {
    cudaError_t status = cudaSuccess;
    block = allocate(size, status);
    if (status == cudaErrorMemoryAllocation && counts_.cached_blocks > 0) {
      cudaGetLastError();
      free_cached();
      block = allocate(size, status);
    }
    check(status, kind_ == Kind::kDevice ? Operation::kAllocateDeviceMemory : Operation::kAllocatePinnedMemory);
  }
#if defined(FBL_SIMT_EMULATION)
  if (kind_ == Kind::kDevice) simt::restrict_global(block, bytes); // bounds are those of the request
#endif
  used_.emplace(block, size);
  ++counts_.used_blocks;
  counts_.used_bytes += static_cast<std::int64_t>(size);
  return block;
}

void* BlockCache::take_cached(std::size_t bytes, const Stream* stream) {
  std::vector<CachedBlock>& blocks = cached_[bytes];
  const auto can_serve = [&](const CachedBlock& block) {
    if (block.last_work == nullptr || (stream != nullptr && block.stream_id == stream->id())) return true;
    return block.last_work->has_passed();
  };
  const auto found = std::find_if(blocks.begin(), blocks.end(), can_serve);
  if (found == blocks.end()) return nullptr;
  void* const pointer = found->pointer;
  blocks.erase(found);
  --counts_.cached_blocks;
  counts_.cached_bytes -= static_cast<std::int64_t>(bytes);
  return pointer;
}

namespace {

// Null where all work on the stream has ended.
std::unique_ptr<Event> record_end(const Stream& stream) noexcept {
  try {
    return stream.record();
  } catch (const DeviceError&) {
  }
  // No event can be had, so wait here.
  try {
    stream.synchronize();
  } catch (const DeviceError&) {
    // The device failed: nothing runs on it any more.
  }
  return nullptr;
}

} // namespace

void BlockCache::give_back(void* block, const Stream* last_use) noexcept {
  std::unique_ptr<Event> last_work = last_use == nullptr ? nullptr : record_end(*last_use);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto used = used_.find(block);
  const std::size_t size = used->second;
  used_.erase(used);
  --counts_.used_blocks;
  counts_.used_bytes -= static_cast<std::int64_t>(size);
  ++counts_.cached_blocks;
  counts_.cached_bytes += static_cast<std::int64_t>(size);
  cached_[size].push_back({block, last_use == nullptr ? 0 : last_use->id(), std::move(last_work)});
}

void BlockCache::release_cached() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const DeviceScope scope(device_);
  free_cached();
}

void BlockCache::free_cached() {
  for (auto& [size, blocks] : cached_) {
    for (CachedBlock& block : blocks) {
      if (block.last_work != nullptr) ignore(cudaEventSynchronize(block.last_work->handle()));
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

void* BlockCache::allocate(std::size_t bytes, cudaError_t& status) const {
  void* pointer = nullptr;
  status = kind_ == Kind::kDevice ? cudaMalloc(&pointer, bytes) : cudaHostAlloc(&pointer, bytes, cudaHostAllocPortable);
  return pointer;
}

void BlockCache::free_block(void* pointer) const noexcept {
  ignore(kind_ == Kind::kDevice ? cudaFree(pointer) : cudaFreeHost(pointer));
}

} // namespace fused_bear_loss::cuda
