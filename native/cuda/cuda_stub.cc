// Stands in for the CUDA backend where it is not built: says so, and offers no device.
#include "native/core/backend.h"
#include "native/core/device_api.h"

namespace fused_bear_loss {
namespace {

constexpr const char* kReason =
    "this build of the addon has no CUDA backend: where nvcc is installed, build one with "
    "`npx fused-bear-loss build`, or in a clone with `npm run build`";

} // namespace

CudaInfo cuda_info() {
  CudaInfo info;
  info.reason = kReason;
  return info;
}

const Backend& cuda_backend(int /*device_index*/) { throw DeviceError(DeviceErrorKind::kNotBuilt, kReason); }

const DeviceApi& device_api() { throw DeviceError(DeviceErrorKind::kNotBuilt, kReason); }

} // namespace fused_bear_loss
