// The loss of host arrays on a device: rows cross the bus in chunks, so that copies in both directions and the kernel
// overlap, and the device needs room for a few chunks only.
#pragma once

#include <atomic>
#include <cstdint>

#include "native/core/backend.h"
#include "native/cuda/device_registry.h"

namespace fused_bear_loss::cuda {

// The environment's FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES, where it is a number above 0; else 32 MiB.
std::int64_t staging_chunk_bytes();

// Throws DeviceError; then, and when it is aborted, nothing of the caller's has been written, unless
// outputs.grad_is_new.
ComputeStatus compute_staged(Device& device, const LossProblem& problem, const LossOutputs& outputs,
                             LossSummary& summary, const std::atomic<std::int32_t>* abort);

} // namespace fused_bear_loss::cuda
