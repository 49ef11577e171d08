// Stands in for the CUDA backend where it is not built: says so, and offers no device.
#include "native/core/backend.h"
#include "native/core/device_api.h"

namespace fused_bear_loss {
namespace {

constexpr const char* kReason =
    "this build of the addon has no CUDA backend: where nvcc is installed, build it in the package's folder with "
    "`npx cmake-js rebuild --CDFBL_CUDA=ON`";

} // namespace

CudaInfo cuda_info() {
  CudaInfo info;
  info.reason = kReason;
  return info;
}

const Backend& cuda_backend(int /*device_index*/) { throw DeviceError(DeviceErrorKind::kNotBuilt, kReason); }

const DeviceApi& device_api() { throw DeviceError(DeviceErrorKind::kNotBuilt, kReason); }

} // namespace fused_bear_loss
