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
  return status == cudaErrorInvalidValue || status == cudaErrorNotSupported || status == cudaErrorInvalidClusterSize ||
         status == cudaErrorLaunchOutOfResources;
}

cudaError_t allow_shared_memory(const void* kernel, DeviceProperties& properties) {
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                  static_cast<int>(properties.granted_shared_bytes()));
  if (!is_refusal(status)) return status;
  cudaGetLastError();
  properties.refuses_to_opt_in = true;
  return cudaSuccess;
}

// Whether at least one cluster of so many of the largest blocks fits the device.
cudaError_t has_room_for_cluster(const void* kernel, int size, const DeviceProperties& properties, bool& has_room) {
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = static_cast<unsigned>(size);
  cluster.val.clusterDim.y = 1;
  cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(size));
  config.blockDim = dim3(kMaxThreads);
  config.dynamicSmemBytes = properties.granted_shared_bytes();
  config.attrs = &cluster;
  config.numAttrs = 1;
  int clusters = 0;
  const cudaError_t status = cudaOccupancyMaxActiveClusters(&clusters, kernel, &config);
  has_room = status == cudaSuccess && clusters > 0;
  if (!is_refusal(status)) return status;
  cudaGetLastError();
  return cudaSuccess;
}

} // namespace

cudaError_t prepare_row_kernels(DeviceProperties& properties) {
  const std::vector<const void*> kernels = all_row_kernels();
  for (const void* const kernel : kernels) {
    const cudaError_t status = allow_shared_memory(kernel, properties);
    if (status != cudaSuccess) return status;
  }
  for (const void* const kernel : kernels) {
    for (bool has_room = false; properties.max_cluster_size > 1 && !has_room;) {
      const cudaError_t status = has_room_for_cluster(kernel, properties.max_cluster_size, properties, has_room);
      if (status != cudaSuccess) return status;
      if (!has_room) properties.max_cluster_size /= 2;
    }
  }
  return cudaSuccess;
}

} // namespace fused_bear_loss::cuda
