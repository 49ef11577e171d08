#include "benchmarks/device-check/native/prepared.h"
#include "benchmarks/device-check/native/record.h"
#include "benchmarks/device-check/native/steps.h"

namespace fused_bear_loss::device_check {
namespace {

int attribute_of(cudaDeviceAttr attribute) {
  int value = 0;
  if (cudaDeviceGetAttribute(&value, attribute, 0) == cudaSuccess) return value;
  cudaGetLastError();
  return 0;
}

} // namespace

bool report_limits(const Arguments&) {
  const PreparedDevice device = prepare_device();
  const cudaDeviceProp& p = device.limits;
  int driver = 0;
  int runtime = 0;
  must("cudaDriverGetVersion", cudaDriverGetVersion(&driver));
  must("cudaRuntimeGetVersion", cudaRuntimeGetVersion(&runtime));
  const auto version = [](int number) {
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
  };
  Record("device")
      .add("name", p.name)
      .add("computeCapability", std::to_string(p.major) + "." + std::to_string(p.minor))
      .add("driverCuda", version(driver))
      .add("runtimeCuda", version(runtime))
      .add("multiprocessors", p.multiProcessorCount)
      .add("memoryBytes", p.totalGlobalMem)
      .add("secondLevelCacheBytes", p.l2CacheSize)
      .add("sharedBytesPerBlock", p.sharedMemPerBlockOptin)
      .add("sharedBytesPerMultiprocessor", p.sharedMemPerMultiprocessor)
      .add("clockMHz", attribute_of(static_cast<cudaDeviceAttr>(13)) / 1000) // cudaDevAttrClockRate
      .add("memoryClockMHz", attribute_of(cudaDevAttrMemoryClockRate) / 1000)
      .add("memoryBusBits", p.memoryBusWidth);
  return true;
}

} // namespace fused_bear_loss::device_check
