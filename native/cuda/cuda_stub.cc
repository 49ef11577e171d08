// Stands in for the CUDA backend where it is not built: says so, and offers no device.
#include "native/core/backend.h"

namespace fused_bear_loss {

CudaInfo cuda_info() {
  CudaInfo info;
  info.reason = "this build of the addon has no CUDA backend";
  return info;
}

const Backend* cuda_backend(int /*device_index*/) { return nullptr; }

} // namespace fused_bear_loss
