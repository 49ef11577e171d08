#include "test/emulator/detectors/host_cases.h"

#include <cuda_runtime_api.h>

#include <cstring>
#include <memory>

namespace simt {
namespace {

constexpr std::size_t kBytes = 64;

class DeviceBytes {
 public:
  DeviceBytes() { cudaMalloc(&pointer_, kBytes); }
  ~DeviceBytes() { cudaFree(pointer_); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  void* get() const { return pointer_; }

 private:
  void* pointer_ = nullptr;
};

class PinnedBytes {
 public:
  PinnedBytes() {
    cudaHostAlloc(&pointer_, kBytes, cudaHostAllocDefault);
    std::memset(pointer_, 0, kBytes);
  }
  ~PinnedBytes() { cudaFreeHost(pointer_); }
  PinnedBytes(const PinnedBytes&) = delete;
  PinnedBytes& operator=(const PinnedBytes&) = delete;
  char* get() const { return static_cast<char*>(pointer_); }

 private:
  void* pointer_ = nullptr;
};

class Stream {
 public:
  Stream() { cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// ---- memory

int copy_of_the_wrong_kind() {
  const DeviceBytes device;
  char host[kBytes] = {};
  return cudaMemcpy(device.get(), host, kBytes, cudaMemcpyDeviceToHost);
}

int copy_beyond_the_end() {
  const DeviceBytes device;
  char host[kBytes + 1] = {};
  return cudaMemcpy(device.get(), host, kBytes + 1, cudaMemcpyHostToDevice);
}

int fill_beyond_the_end() {
  const DeviceBytes device;
  return cudaMemset(device.get(), 0, kBytes + 1);
}

int freed_twice() {
  void* pointer = nullptr;
  cudaMalloc(&pointer, kBytes);
  cudaFree(pointer);
  return cudaFree(pointer);
}

// ---- order

// One stream fills, another copies what it filled to the host.
int handed_from_stream_to_stream(bool wait_for_event) {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream producer;
  const Stream consumer;
  cudaMemset(device.get(), 0, kBytes);
  cudaEvent_t filled = nullptr;
  cudaEventCreateWithFlags(&filled, cudaEventDisableTiming);
  cudaMemsetAsync(device.get(), 1, kBytes, producer.get());
  cudaEventRecord(filled, producer.get());
  if (wait_for_event) cudaStreamWaitEvent(consumer.get(), filled);
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, consumer.get());
  cudaStreamSynchronize(consumer.get());
  cudaEventDestroy(filled);
  return host.get()[0] == 1 ? 1 : 0;
}
int streams_with_an_event() { return handed_from_stream_to_stream(true); }
int streams_without_an_event() { return handed_from_stream_to_stream(false); }

int read_on_the_host(bool synchronise) {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream stream;
  cudaMemsetAsync(device.get(), 1, kBytes, stream.get());
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, stream.get());
  if (synchronise) cudaStreamSynchronize(stream.get());
  return host.get()[0] == 1 ? 1 : 0;
}
int host_reads_after_synchronising() { return read_on_the_host(true); }
int host_reads_too_early() { return read_on_the_host(false); }

// Staging memory is filled for the next copy while the last may still be under way.
int refill_staging(bool synchronise) {
  const DeviceBytes first;
  const DeviceBytes second;
  const PinnedBytes staging;
  const Stream stream;
  std::memset(staging.get(), 1, kBytes);
  cudaMemcpyAsync(first.get(), staging.get(), kBytes, cudaMemcpyHostToDevice, stream.get());
  if (synchronise) cudaStreamSynchronize(stream.get());
  std::memset(staging.get(), 2, kBytes);
  cudaMemcpyAsync(second.get(), staging.get(), kBytes, cudaMemcpyHostToDevice, stream.get());
  cudaStreamSynchronize(stream.get());
  char found = 0;
  cudaMemcpy(&found, first.get(), 1, cudaMemcpyDeviceToHost);
  return found == 1 ? 1 : 0;
}
int staging_refilled_after_the_copy() { return refill_staging(true); }
int staging_refilled_too_early() { return refill_staging(false); }

// ---- handles

int event_on_another_device() {
  int devices = 0;
  cudaGetDeviceCount(&devices);
  if (devices < 2) return cudaErrorNoDevice;
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  cudaSetDevice(1);
  int error = 0;
  {
    const Stream stream;
    error = cudaEventRecord(event, stream.get());
  }
  cudaSetDevice(0);
  cudaEventDestroy(event);
  return error;
}

int stream_after_its_end() {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaStreamDestroy(stream);
  return cudaStreamSynchronize(stream);
}

struct HostCase {
  const char* name;
  int (*run)();
};

#define HOST_CASE(name) \
  {                     \
#name, name         \
  }
const HostCase kCases[] = {
    HOST_CASE(copy_of_the_wrong_kind),
    HOST_CASE(copy_beyond_the_end),
    HOST_CASE(fill_beyond_the_end),
    HOST_CASE(freed_twice),
    HOST_CASE(streams_with_an_event),
    HOST_CASE(streams_without_an_event),
    HOST_CASE(host_reads_after_synchronising),
    HOST_CASE(host_reads_too_early),
    HOST_CASE(staging_refilled_after_the_copy),
    HOST_CASE(staging_refilled_too_early),
    HOST_CASE(event_on_another_device),
    HOST_CASE(stream_after_its_end),
};

} // namespace

std::vector<std::string> host_case_names() {
  std::vector<std::string> names;
  for (const HostCase& known : kCases) names.emplace_back(known.name);
  return names;
}

int run_host_case(const std::string& name) {
  for (const HostCase& known : kCases) {
    if (name == known.name) return known.run();
  }
  return -1;
}

} // namespace simt
