// Device memory, pinned host memory, and copies between them.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "test/emulator/runtime/host_memory.h"
#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/shadow_memory.h"

namespace simt {

namespace {

struct Allocation {
  std::size_t bytes;
  int device;
  bool pinned;
  void* mapping; // of device memory, with inaccessible pages at both ends
  std::size_t mapped_bytes;
};

constexpr std::size_t kPage = 4096;
constexpr int kPoison = 0xCB;

std::map<std::uintptr_t, Allocation>& allocations() {
  static std::map<std::uintptr_t, Allocation> all;
  return all;
}

// The allocation that holds the address, or null.
const std::pair<const std::uintptr_t, Allocation>* find_allocation(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto after = allocations().upper_bound(address);
  if (after == allocations().begin()) return nullptr;
  --after;
  return address < after->first + after->second.bytes ? &*after : nullptr;
}

bool holds(const void* pointer, std::size_t bytes, bool pinned) {
  const auto* found = find_allocation(pointer);
  return found != nullptr && found->second.pinned == pinned &&
         reinterpret_cast<std::uintptr_t>(pointer) + bytes <= found->first + found->second.bytes;
}

cudaError_t map_device_memory(std::size_t bytes, Allocation& allocation, void*& pointer) {
  allocation.mapped_bytes = (bytes + kPage - 1) / kPage * kPage + 2 * kPage;
  allocation.mapping =
      mmap(nullptr, allocation.mapped_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (allocation.mapping == MAP_FAILED) return cudaErrorMemoryAllocation;
  pointer = static_cast<char*>(allocation.mapping) + kPage;
  if (mprotect(pointer, allocation.mapped_bytes - 2 * kPage, PROT_READ | PROT_WRITE) != 0) {
    munmap(allocation.mapping, allocation.mapped_bytes);
    return cudaErrorMemoryAllocation;
  }
  std::memset(pointer, kPoison, allocation.mapped_bytes - 2 * kPage);
  return cudaSuccess;
}

void release(std::uintptr_t address, const Allocation& allocation) {
  LiveCounts& live = runtime().live;
  unregister_global(reinterpret_cast<void*>(address));
  if (allocation.pinned) {
    std::free(reinterpret_cast<void*>(address));
    --live.pinned_allocations;
    live.pinned_bytes -= allocation.bytes;
    return;
  }
  munmap(allocation.mapping, allocation.mapped_bytes);
  runtime().devices[static_cast<std::size_t>(allocation.device)].used_bytes -= allocation.bytes;
  --live.device_allocations;
  live.device_bytes -= allocation.bytes;
}

cudaError_t allocate_device_memory(void** pointer, std::size_t bytes) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  DeviceState& device = runtime().devices[static_cast<std::size_t>(current_device())];
  if (bytes > device.properties.total_bytes - device.used_bytes) return cudaErrorMemoryAllocation;
  Allocation allocation = {bytes, current_device(), false, nullptr, 0};
  if (const cudaError_t error = map_device_memory(bytes, allocation, *pointer); error != cudaSuccess) {
    *pointer = nullptr;
    return error;
  }
  allocations()[reinterpret_cast<std::uintptr_t>(*pointer)] = allocation;
  device.used_bytes += bytes;
  ++runtime().live.device_allocations;
  runtime().live.device_bytes += bytes;
  register_global(*pointer, bytes);
  return cudaSuccess;
}

cudaError_t free_device_memory(void* pointer) {
  const auto found = allocations().find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == allocations().end() || found->second.pinned) return cudaErrorInvalidValue;
  release(found->first, found->second);
  allocations().erase(found);
  return cudaSuccess;
}

// Rows of bytes; one row for a plain copy.
struct Extent {
  std::size_t width;
  std::size_t height;
  std::size_t span(std::size_t pitch) const { return height == 0 ? 0 : (height - 1) * pitch + width; }
};

// Whether each side of the copy is the kind of memory that the caller says it is.
bool copy_is_valid(const void* to, std::size_t to_bytes, const void* from, std::size_t from_bytes,
                   cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const auto side_is_valid = [](const void* pointer, std::size_t bytes, bool device) {
    const auto* found = find_allocation(pointer);
    if (device) return holds(pointer, bytes, false);
    return found == nullptr || holds(pointer, bytes, true);
  };
  const bool valid = kind == cudaMemcpyDefault ||
                     (side_is_valid(to, to_bytes, to_device) && side_is_valid(from, from_bytes, from_device));
  if (!valid) {
    report(ReportKind::kRuntimeMisuse, "a copy of kind %d, %zu bytes from %p to %p, does not fit the memory there",
           static_cast<int>(kind), to_bytes, from, to);
  }
  return valid;
}

struct Copy {
  void* to;
  std::size_t to_pitch;
  const void* from;
  std::size_t from_pitch;
  Extent extent;
};

void perform(const Copy& copy) {
  for (std::size_t row = 0; row < copy.extent.height; ++row) {
    void* to = static_cast<char*>(copy.to) + row * copy.to_pitch;
    const void* from = static_cast<const char*>(copy.from) + row * copy.from_pitch;
    record_bulk_access(from, copy.extent.width, Access::kRead);
    record_bulk_access(to, copy.extent.width, Access::kWrite);
    std::memmove(to, from, copy.extent.width);
    if (find_allocation(to) != nullptr) mark_global_written(to, copy.extent.width);
  }
}

cudaError_t enqueue_copy(const Copy& copy, cudaMemcpyKind kind, cudaStream_t stream, bool asynchronous) {
  if (stream_device(stream) < 0) return cudaErrorInvalidResourceHandle;
  if (copy.extent.width == 0 || copy.extent.height == 0) return cudaSuccess;
  if (copy.to == nullptr || copy.from == nullptr || copy.extent.width > copy.to_pitch ||
      copy.extent.width > copy.from_pitch) {
    return cudaErrorInvalidValue;
  }
  if (!copy_is_valid(copy.to, copy.extent.span(copy.to_pitch), copy.from, copy.extent.span(copy.from_pitch), kind)) {
    return cudaErrorInvalidValue;
  }
  enqueue(stream, "copy", [copy] { perform(copy); });
  // Pageable memory is staged before the call returns, whatever its name says.
  const bool to_pageable = find_allocation(copy.to) == nullptr;
  const bool pageable = to_pageable || find_allocation(copy.from) == nullptr;
  if (!asynchronous || pageable) drain_stream(stream);
  if (!asynchronous || to_pageable) host_waited_for(stream);
  return cudaSuccess;
}

cudaError_t enqueue_fill(void* to, std::size_t pitch, int value, Extent extent, cudaStream_t stream) {
  if (stream_device(stream) < 0) return cudaErrorInvalidResourceHandle;
  if (extent.width == 0 || extent.height == 0) return cudaSuccess;
  if (!holds(to, extent.span(pitch), false)) {
    report(ReportKind::kRuntimeMisuse, "a fill of %zu bytes at %p is not within device memory", extent.span(pitch), to);
    return cudaErrorInvalidValue;
  }
  enqueue(stream, "fill", [=] {
    for (std::size_t row = 0; row < extent.height; ++row) {
      void* begin = static_cast<char*>(to) + row * pitch;
      record_bulk_access(begin, extent.width, Access::kWrite);
      std::memset(begin, value, extent.width);
      mark_global_written(begin, extent.width);
    }
  });
  return cudaSuccess;
}

} // namespace

void forget_memory() {
  for (const auto& allocation : allocations()) release(allocation.first, allocation.second);
  allocations().clear();
}

bool is_page_locked(const void* address) { return holds(address, 1, true); }

} // namespace simt

using namespace simt; // NOLINT: the functions of the runtime have no namespace

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  SIMT_RUNTIME_CALL("cudaMalloc");
  return finish_call(allocate_device_memory(pointer, bytes));
}

cudaError_t cudaFree(void* pointer) {
  SIMT_RUNTIME_CALL("cudaFree");
  if (pointer == nullptr) return cudaSuccess;
  host_waited_for_device(current_device()); // as the runtime does
  return finish_call(free_device_memory(pointer));
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaMallocAsync");
  if (stream_device(stream) < 0) return finish_call(cudaErrorInvalidResourceHandle);
  return finish_call(allocate_device_memory(pointer, bytes));
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaFreeAsync");
  if (stream_device(stream) < 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (pointer == nullptr) return cudaSuccess;
  if (!holds(pointer, 1, false)) return finish_call(cudaErrorInvalidValue);
  enqueue(stream, "free", [pointer] { free_device_memory(pointer); });
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned /*flags*/) {
  SIMT_RUNTIME_CALL("cudaHostAlloc");
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (*pointer == nullptr) return finish_call(cudaErrorMemoryAllocation);
  std::memset(*pointer, kPoison, bytes);
  allocations()[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes, current_device(), true, nullptr, 0};
  ++runtime().live.pinned_allocations;
  widen_pinned_range(*pointer, bytes);
  runtime().live.pinned_bytes += bytes;
  register_global(*pointer, bytes);
  mark_global_written(*pointer, bytes); // the host writes it unseen
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void* pointer) {
  SIMT_RUNTIME_CALL("cudaFreeHost");
  if (pointer == nullptr) return cudaSuccess;
  const auto found = allocations().find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == allocations().end() || !found->second.pinned) return finish_call(cudaErrorInvalidValue);
  host_waited_for_device(-1);
  release(found->first, found->second);
  allocations().erase(found);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaMemcpyAsync");
  return finish_call(enqueue_copy({to, bytes, from, bytes, {bytes, 1}}, kind, stream, true));
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  SIMT_RUNTIME_CALL("cudaMemcpy");
  return finish_call(enqueue_copy({to, bytes, from, bytes, {bytes, 1}}, kind, nullptr, false));
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaMemcpy2DAsync");
  return finish_call(enqueue_copy({to, to_pitch, from, from_pitch, {width, height}}, kind, stream, true));
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                         std::size_t height, cudaMemcpyKind kind) {
  SIMT_RUNTIME_CALL("cudaMemcpy2D");
  return finish_call(enqueue_copy({to, to_pitch, from, from_pitch, {width, height}}, kind, nullptr, false));
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaMemsetAsync");
  return finish_call(enqueue_fill(to, bytes, value, {bytes, 1}, stream));
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  SIMT_RUNTIME_CALL("cudaMemset");
  return finish_call(enqueue_fill(to, bytes, value, {bytes, 1}, nullptr));
}

cudaError_t cudaMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height,
                              cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaMemset2DAsync");
  return finish_call(enqueue_fill(to, pitch, value, {width, height}, stream));
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  SIMT_RUNTIME_CALL("cudaPointerGetAttributes");
  *attributes = cudaPointerAttributes();
  const auto* found = find_allocation(pointer);
  if (found == nullptr) {
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->device = -2; // cudaInvalidDeviceId
    attributes->hostPointer = const_cast<void*>(pointer);
    return cudaSuccess;
  }
  attributes->type = found->second.pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
  attributes->device = found->second.device;
  attributes->devicePointer = const_cast<void*>(pointer);
  attributes->hostPointer = found->second.pinned ? const_cast<void*>(pointer) : nullptr;
  return cudaSuccess;
}
