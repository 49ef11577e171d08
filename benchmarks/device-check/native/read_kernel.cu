#include "benchmarks/device-check/native/read_kernel.h"

#include <cuda_runtime.h>

namespace fused_bear_loss::device_check {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksPerMultiprocessor = 8;
constexpr int kLoadsInFlight = 4;

__global__ void __launch_bounds__(kThreads) read_kernel(const uint4* data, long count, std::uint32_t* sink) {
  const long step = static_cast<long>(gridDim.x) * kThreads;
  long at = static_cast<long>(blockIdx.x) * kThreads + static_cast<long>(threadIdx.x);
  std::uint32_t seen = 0;
  for (; at + (kLoadsInFlight - 1) * step < count; at += kLoadsInFlight * step) {
    uint4 loaded[kLoadsInFlight];
#pragma unroll
    for (int i = 0; i < kLoadsInFlight; ++i) loaded[i] = __ldcg(data + at + i * step);
#pragma unroll
    for (int i = 0; i < kLoadsInFlight; ++i) seen += loaded[i].x ^ loaded[i].y ^ loaded[i].z ^ loaded[i].w;
  }
  for (; at < count; at += step) {
    const uint4 loaded = __ldcg(data + at);
    seen += loaded.x ^ loaded.y ^ loaded.z ^ loaded.w;
  }
  if (seen == 0x9e3779b9u) atomicAdd(sink, 1u); // or the compiler would drop the loads
}

} // namespace

cudaError_t launch_read(const void* data, std::int64_t bytes, std::uint32_t* sink, int multiprocessors) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(multiprocessors * kBlocksPerMultiprocessor));
  config.blockDim = dim3(kThreads);
  return cudaLaunchKernelEx(&config, read_kernel, static_cast<const uint4*>(data), static_cast<long>(bytes / 16), sink);
}

} // namespace fused_bear_loss::device_check
