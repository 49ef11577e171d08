// The device, ready for launches.
#pragma once

#include "benchmarks/device-check/native/device.h"
#include "native/cuda/launch_plan.h"
#include "native/cuda/prepare_kernels.h"

namespace fused_bear_loss::device_check {

struct PreparedDevice {
  cudaDeviceProp limits{};           // what the runtime says
  cuda::DeviceProperties properties; // what it grants our kernels
};

inline PreparedDevice prepare_device() {
  PreparedDevice device;
  must("cudaGetDeviceProperties", cudaGetDeviceProperties(&device.limits, 0));
  device.properties = cuda::device_properties_of(device.limits);
  must("attributes of the kernels", cuda::prepare_row_kernels(device.properties));
  return device;
}

} // namespace fused_bear_loss::device_check
