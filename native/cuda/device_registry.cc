#include "native/cuda/device_registry.h"

#include <map>
#include <string>

#include "native/cuda/cuda_status.h"
#include "native/cuda/prepare_kernels.h"

namespace fused_bear_loss::cuda {
namespace {

DeviceProperties read_properties(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device));
  DeviceProperties result = device_properties_of(properties);
  const DeviceScope scope(device);
  check(prepare_row_kernels(result), Operation::kLaunch);
  return result;
}

} // namespace

Device::Device(int device_index)
    : index(device_index),
      properties(read_properties(device_index)),
      memory(BlockCache::Kind::kDevice, device_index),
      pinned(BlockCache::Kind::kPinned, device_index),
      default_stream(Stream::adopt(device_index, nullptr)) {}

std::shared_ptr<Stream> Device::copy_stream() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (copy_stream_ == nullptr) copy_stream_ = Stream::create(index);
  return copy_stream_;
}

int device_count() {
  int count = 0; // the runtime leaves it alone where it fails
  check(cudaGetDeviceCount(&count));
  if (count < 1) throw device_error_of(cudaErrorNoDevice);
  return count;
}

Device& device_at(int index) {
  // Never destroyed, as the runtime may be gone by then.
  static std::mutex& mutex = *new std::mutex;
  static auto& devices = *new std::map<int, std::unique_ptr<Device>>;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const auto known = devices.find(index); known != devices.end()) return *known->second;
  const int count = device_count();
  if (index < 0 || index >= count) {
    throw DeviceError(DeviceErrorKind::kDeviceNotFound,
                      "there is no device " + std::to_string(index) + ": this machine has " +
                          (count == 1 ? std::string("device 0 only") : "devices 0 to " + std::to_string(count - 1)));
  }
  return *devices.emplace(index, std::make_unique<Device>(index)).first->second;
}

} // namespace fused_bear_loss::cuda
