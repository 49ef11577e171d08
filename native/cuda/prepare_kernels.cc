#include "native/cuda/prepare_kernels.h"

#include <vector>

#include "native/core/dtype.h"
#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {
namespace {

std::vector<const void*> all_row_kernels() {
  std::vector<const void*> kernels;
  for (const auto& of_dtype : {row_kernels<float>(), row_kernels<Float16>(), row_kernels<BFloat16>()}) {
    kernels.insert(kernels.end(), of_dtype.begin(), of_dtype.end());
  }
  return kernels;
}

// A refusal, where there is a smaller thing to ask for; everything else is an error.
bool is_refusal(cudaError_t status) {
  return status == cudaErrorInvalidValue || status == cudaErrorNotSupported || status == cudaErrorLaunchOutOfResources;
}

cudaError_t allow_shared_memory(const void* kernel, DeviceProperties& properties) {
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                  static_cast<int>(properties.granted_shared_bytes()));
  if (!is_refusal(status)) return status;
  cudaGetLastError();
  properties.refuses_to_opt_in = true;
  return cudaSuccess;
}

} // namespace

cudaError_t prepare_row_kernels(DeviceProperties& properties) {
  for (const void* const kernel : all_row_kernels()) {
    const cudaError_t status = allow_shared_memory(kernel, properties);
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}

} // namespace fused_bear_loss::cuda
