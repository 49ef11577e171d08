// What can go wrong with a device, for every backend that has devices: a kind that callers can rely on, and words that
// say what to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace fused_bear_loss {

// The order of the enumerators is the order of kDeviceErrorNames in option_names.h, which is what crosses to
// JavaScript.
enum class DeviceErrorKind : std::int32_t {
  kNotBuilt,          // this addon has no CUDA backend
  kDriverMissing,     // the machine has no driver
  kDriverTooOld,      // for the runtime inside this addon
  kNoDevice,          // a driver, and nothing to drive
  kDeviceNotFound,    // an index that no device has
  kOutOfDeviceMemory, // on the device
  kOutOfPinnedMemory, // page-locked memory of the host, through which copies go
  kOutOfHostMemory,
  kLaunchFailed,  // the device refused a kernel
  kInvalidMemory, // a pointer that is no memory of the device
  kFailed,        // everything else that the runtime reports
};

class DeviceError : public std::runtime_error {
 public:
  DeviceError(DeviceErrorKind error_kind, const std::string& message) : std::runtime_error(message), kind(error_kind) {}

  const DeviceErrorKind kind;
};

} // namespace fused_bear_loss
