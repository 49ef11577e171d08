#include "native/cuda/kernels/row_kernels.h"

namespace fused_bear_loss::cuda {

template std::array<const void*, kRowKernels> row_kernels<Float16>();
template cudaError_t launch_row_kernel<Float16>(const cudaLaunchConfig_t&, const RowLaunch&);
template cudaError_t launch_plain_kernel<Float16>(const cudaLaunchConfig_t&, const RowLaunch&);
template cudaError_t launch_gradient_kernel<Float16>(const cudaLaunchConfig_t&, const RowLaunch&);

} // namespace fused_bear_loss::cuda
