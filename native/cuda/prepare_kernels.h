// What the row kernels need to be told, once per device: both attributes belong to the kernel and not to a launch, so
// that setting them before each launch would change those of a launch on another thread.
#pragma once

#include <cuda_runtime_api.h>

#include "native/cuda/launch_plan.h"

namespace fused_bear_loss::cuda {

// Allows every row kernel the largest shared memory of the current device. Lowers
// `properties` to what the device grants. To be called before the first launch, by one thread at a time.
cudaError_t prepare_row_kernels(DeviceProperties& properties);

} // namespace fused_bear_loss::cuda
