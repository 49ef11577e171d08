#include "native/cuda/cuda_status.h"

#include <string>

namespace fused_bear_loss::cuda {
namespace {

std::string version_name(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string with_runtime_words(const std::string& message, cudaError_t status) {
  return message + " (" + cudaGetErrorName(status) + ": " + cudaGetErrorString(status) + ")";
}

// The first driver for all runtimes of a major version of CUDA, by NVIDIA's table of minor version compatibility.
constexpr const char* kNeededDriver = CUDART_VERSION >= 13000 ? "580" : "525";
std::string needed_driver() {
  return "driver " + std::string(kNeededDriver) + " or newer, for CUDA " + std::to_string(CUDART_VERSION / 1000);
}

// The runtime has one status for "no driver" and "driver too old"; only the driver's version tells them apart.
DeviceError driver_error() {
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess) version = 0;
  if (version == 0) {
    return {DeviceErrorKind::kDriverMissing, "no NVIDIA driver was found: install one (" + needed_driver() +
                                                 "), or make it visible to this container (libcuda.so.1)"};
  }
  return {DeviceErrorKind::kDriverTooOld, "the installed NVIDIA driver is too old: it supports CUDA up to " +
                                              version_name(version) + ", and this addon needs " + needed_driver() +
                                              ": update the driver"};
}

DeviceError launch_error(cudaError_t status) {
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction) {
    return {DeviceErrorKind::kLaunchFailed,
            with_runtime_words("this addon has no kernel for the device: it needs compute capability 7.5 or newer",
                               status)};
  }
  return {DeviceErrorKind::kLaunchFailed, with_runtime_words("the device refused a kernel", status)};
}

// After these every later call of the process fails.
bool loses_the_device(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
      return true;
    default:
      return false;
  }
}

} // namespace

DeviceError device_error_of(cudaError_t status, Operation operation) {
  switch (status) {
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary:
      return driver_error();
    case cudaErrorCallRequiresNewerDriver:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
      return {DeviceErrorKind::kDriverTooOld,
              with_runtime_words(
                  "the NVIDIA driver is too old for this addon, which needs " + needed_driver() + ": update the driver",
                  status)};
    case cudaErrorNoDevice:
      return {DeviceErrorKind::kNoDevice,
              "there is an NVIDIA driver but no device that it lets this process use: see nvidia-smi and "
              "CUDA_VISIBLE_DEVICES"};
    case cudaErrorInvalidDevice:
      return {DeviceErrorKind::kDeviceNotFound, "no device has this index"};
    case cudaErrorMemoryAllocation:
      if (operation == Operation::kAllocatePinnedMemory) {
        return {DeviceErrorKind::kOutOfPinnedMemory,
                "the host has no more page-locked memory to copy through: raise `ulimit -l`, or lower "
                "FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES"};
      }
      return {DeviceErrorKind::kOutOfDeviceMemory,
              "the device has no more memory: dispose tensors, score fewer rows at a time, or use gradient 'in-place'"};
    case cudaErrorInvalidResourceHandle:
      return {DeviceErrorKind::kFailed,
              with_runtime_words("a stream of the call is none of this device, or its owner has destroyed it", status)};
    default:
      break;
  }
  if (loses_the_device(status)) {
    return {DeviceErrorKind::kFailed,
            with_runtime_words("the device failed and this process cannot use it any more: restart it", status)};
  }
  if (operation == Operation::kLaunch) return launch_error(status);
  return {DeviceErrorKind::kFailed, with_runtime_words("the CUDA runtime failed", status)};
}

void check(cudaError_t status, Operation operation) {
  if (status == cudaSuccess) return;
  cudaGetLastError(); // else the next launch would report this error as its own
  throw device_error_of(status, operation);
}

void ignore(cudaError_t status) noexcept {
  if (status != cudaSuccess) cudaGetLastError();
}

} // namespace fused_bear_loss::cuda
