// What the CUDA runtime answers, in our own kinds of error and in words that say what to do.
#pragma once

#include <cuda_runtime.h>

#include "native/core/device_error.h"

namespace fused_bear_loss::cuda {

// What was asked for, where the same answer of the runtime means different things.
enum class Operation { kAllocateDeviceMemory, kAllocatePinnedMemory, kLaunch, kOther };

// The error that tells of `status`. Asks the driver for its version where the status leaves open what is wrong with it.
DeviceError device_error_of(cudaError_t status, Operation operation = Operation::kOther);

// Throws DeviceError unless all is well, and clears the thread's last error.
void check(cudaError_t status, Operation operation = Operation::kOther);

// For clean-up, where there is nobody to tell: clears the thread's last error.
void ignore(cudaError_t status) noexcept;

} // namespace fused_bear_loss::cuda
