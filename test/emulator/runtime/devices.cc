// The stand-in's devices and versions.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"

using namespace simt; // NOLINT: the functions of the runtime have no namespace

cudaError_t cudaDriverGetVersion(int* version) {
  const faults::OwnMemory own_memory;
  const std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  ++runtime().calls["cudaDriverGetVersion"];
  if (const cudaError_t fault = take_fault("cudaDriverGetVersion"); fault != cudaSuccess) return finish_call(fault);
  *version = runtime().driver == DriverState::kMissing ? 0 : runtime().driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const faults::OwnMemory own_memory;
  const std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  ++runtime().calls["cudaGetDeviceCount"];
  if (runtime().driver != DriverState::kWorking) return finish_call(cudaErrorInsufficientDriver);
  if (const cudaError_t fault = take_fault("cudaGetDeviceCount"); fault != cudaSuccess) return finish_call(fault);
  if (runtime().devices.empty()) return finish_call(cudaErrorNoDevice);
  *count = static_cast<int>(runtime().devices.size());
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  SIMT_RUNTIME_CALL("cudaGetDevice");
  *device = current_device();
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  const faults::OwnMemory own_memory;
  const std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  ++runtime().calls["cudaSetDevice"];
  if (runtime().driver != DriverState::kWorking) return finish_call(cudaErrorInsufficientDriver);
  if (const cudaError_t fault = take_fault("cudaSetDevice"); fault != cudaSuccess) return finish_call(fault);
  if (runtime().devices.empty()) return finish_call(cudaErrorNoDevice);
  if (!valid_device(device)) return finish_call(cudaErrorInvalidDevice);
  set_current_device(device);
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  SIMT_RUNTIME_CALL("cudaGetDeviceProperties");
  if (!valid_device(device)) return finish_call(cudaErrorInvalidDevice);
  const EmulatedDevice& emulated = runtime().devices[static_cast<std::size_t>(device)].properties;
  cudaDeviceProp& p = *properties;
  p = cudaDeviceProp();
  std::snprintf(p.name, sizeof p.name, "%s", emulated.name.c_str());
  p.totalGlobalMem = emulated.total_bytes;
  p.sharedMemPerBlock = emulated.shared_bytes_per_block;
  p.sharedMemPerBlockOptin = emulated.shared_bytes_per_block_optin;
  p.sharedMemPerMultiprocessor = emulated.shared_bytes_per_multiprocessor;
  p.reservedSharedMemPerBlock = 1024;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.warpSize = 32;
  p.maxThreadsPerBlock = 1024;
  const int block_limits[3] = {1024, 1024, 64};
  const int grid_limits[3] = {2147483647, 65535, 65535};
  std::copy(block_limits, block_limits + 3, p.maxThreadsDim);
  std::copy(grid_limits, grid_limits + 3, p.maxGridSize);
  p.major = emulated.major;
  p.minor = emulated.minor;
  p.multiProcessorCount = emulated.multiprocessors;
  p.pciBusID = device + 1;
  p.asyncEngineCount = 2;
  p.unifiedAddressing = 1;
  p.memoryBusWidth = 5120;
  p.l2CacheSize = emulated.l2_bytes;
  p.maxThreadsPerMultiProcessor = 2048;
  p.maxBlocksPerMultiProcessor = 32;
  p.memoryPoolsSupported = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  SIMT_RUNTIME_CALL("cudaDeviceGetAttribute");
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrMemoryClockRate:
      *value = 2619000; // kHz
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = p.memoryBusWidth;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrUnifiedAddressing:
      *value = p.unifiedAddressing;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *value = p.regsPerMultiprocessor;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = p.maxBlocksPerMultiProcessor;
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = static_cast<int>(p.reservedSharedMemPerBlock);
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = p.memoryPoolsSupported;
      break;
    default:
      return finish_call(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  SIMT_RUNTIME_CALL("cudaDeviceSynchronize");
  host_waited_for_device(current_device());
  return finish_call(runtime().devices[static_cast<std::size_t>(current_device())].sticky_error);
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  SIMT_RUNTIME_CALL("cudaMemGetInfo");
  const DeviceState& device = runtime().devices[static_cast<std::size_t>(current_device())];
  *total_bytes = device.properties.total_bytes;
  *free_bytes = device.properties.total_bytes - device.used_bytes;
  return cudaSuccess;
}
