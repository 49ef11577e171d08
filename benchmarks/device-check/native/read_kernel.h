// A sum over device memory that reads each byte once, 16 bytes at a time: what a kernel that only reads can reach.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace fused_bear_loss::device_check {

// `sink` is one word, written hardly ever. `bytes` is a multiple of 16.
cudaError_t launch_read(const void* data, std::int64_t bytes, std::uint32_t* sink, int multiprocessors);

} // namespace fused_bear_loss::device_check
