// Checks a launch as the driver does, and runs it when its stream comes to it.
#include <algorithm>
#include <cstring>

#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/grid.h"

namespace simt {

namespace {

constexpr unsigned kPortableClusterSize = 8;

bool grid_is_valid(const dim3& grid, const dim3& block) {
  return grid.x > 0 && grid.y > 0 && grid.z > 0 && block.x > 0 && block.y > 0 && block.z > 0 && grid.x <= 2147483647u &&
         grid.y <= 65535u && grid.z <= 65535u && static_cast<std::uint64_t>(block.x) * block.y * block.z <= 1024u;
}

// The launch's cluster, 1 x 1 x 1 where it asks for none.
dim3 cluster_of(const cudaLaunchConfig_t& config, bool& asked_for) {
  dim3 cluster(1, 1, 1);
  asked_for = false;
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    if (config.attrs[i].id != cudaLaunchAttributeClusterDimension) continue;
    const auto& value = config.attrs[i].val.clusterDim;
    cluster = dim3(value.x, value.y, value.z);
    asked_for = true;
  }
  return cluster;
}

cudaError_t check_cluster(const GridShape& shape, const EmulatedDevice& device) {
  const dim3& c = shape.cluster;
  if (device.major < 9) return cudaErrorNotSupported;
  const unsigned size = c.x * c.y * c.z;
  if (size == 0 || shape.grid.x % c.x != 0 || shape.grid.y % c.y != 0 || shape.grid.z % c.z != 0) {
    return cudaErrorInvalidClusterSize;
  }
  return size <= kPortableClusterSize ? cudaSuccess : cudaErrorInvalidClusterSize;
}

// The dynamic shared memory that launches of the kernel may ask for.
std::size_t shared_limit_of(int device, const void* kernel) {
  const auto limit = runtime().shared_limits.find({device, kernel});
  return limit == runtime().shared_limits.end()
             ? runtime().devices[static_cast<std::size_t>(device)].properties.shared_bytes_per_block
             : limit->second;
}

void perform_foreign_writes() {
  std::vector<ForeignWrite>& writes = runtime().foreign_writes;
  for (auto write = writes.begin(); write != writes.end();) {
    if (--write->countdown > 0) {
      ++write;
      continue;
    }
    std::memcpy(write->pointer, write->bytes.data(), write->bytes.size());
    write = writes.erase(write);
  }
}

cudaError_t error_of(GridOutcome outcome) {
  switch (outcome) {
    case GridOutcome::kCompleted:
      return cudaSuccess;
    case GridOutcome::kIllegalAddress:
      return cudaErrorIllegalAddress;
    case GridOutcome::kLaunchFailure:
      break;
  }
  return cudaErrorLaunchFailure;
}

} // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::unique_ptr<const ThreadBody> body) {
  SIMT_RUNTIME_CALL("cudaLaunchKernelEx");
  const int device = current_device();
  if (stream_device(config.stream) != device) return finish_call(cudaErrorInvalidResourceHandle);
  if (!grid_is_valid(config.gridDim, config.blockDim)) return finish_call(cudaErrorInvalidConfiguration);
  DeviceState& state = runtime().devices[static_cast<std::size_t>(device)];
  if (config.dynamicSmemBytes > shared_limit_of(device, kernel)) return finish_call(cudaErrorInvalidValue);
  bool clustered = false;
  const GridShape shape = {config.gridDim, config.blockDim, cluster_of(config, clustered), config.dynamicSmemBytes};
  if (clustered) {
    const cudaError_t error = check_cluster(shape, state.properties);
    if (error != cudaSuccess) return finish_call(error);
  }
  ++runtime().launches[kernel];
  const cudaError_t fault = take_fault("kernel");
  enqueue(config.stream, "kernel", [shape, fault, device, body = std::shared_ptr<const ThreadBody>(std::move(body))] {
    DeviceState& at = runtime().devices[static_cast<std::size_t>(device)];
    if (at.sticky_error != cudaSuccess) return;
    perform_foreign_writes();
    at.sticky_error = fault != cudaSuccess ? fault : error_of(run_grid(shape, *body));
  });
  return cudaSuccess;
}

} // namespace simt

using namespace simt; // NOLINT: the functions of the runtime have no namespace

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  SIMT_RUNTIME_CALL("cudaFuncSetAttribute");
  const int device = current_device();
  const EmulatedDevice& properties = runtime().devices[static_cast<std::size_t>(device)].properties;
  if (kernel == nullptr) return finish_call(cudaErrorInvalidDeviceFunction);
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    const std::size_t most =
        properties.refuses_large_shared ? properties.shared_bytes_per_block : properties.shared_bytes_per_block_optin;
    if (value < 0 || static_cast<std::size_t>(value) > most) {
      return finish_call(cudaErrorInvalidValue);
    }
    runtime().shared_limits[{device, kernel}] = static_cast<std::size_t>(value);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceReset() {
  const faults::OwnMemory own_memory;
  const std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  drain_device(-1);
  forget_streams();
  forget_memory();
  for (DeviceState& device : runtime().devices) device.sticky_error = cudaSuccess;
  return cudaSuccess;
}
