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

// A copy by the host that no compiler makes into loads and stores, as those of host code with sizes of run time.
void copy_on_host(void* to, const void* from) {
  static volatile std::size_t bytes = kBytes;
  std::memcpy(to, from, bytes);
}

// One stream fills, another copies what it filled to the host.
int handed_from_stream_to_stream(bool wait_for_event, bool destroy_early = false) {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream producer;
  const Stream consumer;
  cudaMemset(device.get(), 0, kBytes);
  cudaDeviceSynchronize(); // a fill does not make the host wait
  cudaEvent_t filled = nullptr;
  cudaEventCreateWithFlags(&filled, cudaEventDisableTiming);
  cudaMemsetAsync(device.get(), 1, kBytes, producer.get());
  cudaEventRecord(filled, producer.get());
  if (wait_for_event) cudaStreamWaitEvent(consumer.get(), filled);
  if (destroy_early) cudaEventDestroy(filled);
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, consumer.get());
  cudaStreamSynchronize(consumer.get());
  if (!destroy_early) cudaEventDestroy(filled);
  return host.get()[0] == 1 ? 1 : 0;
}
int streams_with_an_event() { return handed_from_stream_to_stream(true); }
int streams_without_an_event() { return handed_from_stream_to_stream(false); }
int event_destroyed_while_awaited() { return handed_from_stream_to_stream(true, true); }
int event_destroyed_instead_of_awaited() { return handed_from_stream_to_stream(false, true); }

// An event is recorded anew while a stream still waits for its first recording.
int event_recorded_anew_while_awaited() {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream producer;
  const Stream consumer;
  const Stream other;
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  cudaMemsetAsync(device.get(), 1, kBytes, producer.get());
  cudaEventRecord(event, producer.get());
  cudaStreamWaitEvent(consumer.get(), event);
  cudaEventRecord(event, other.get());
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, consumer.get());
  cudaStreamSynchronize(consumer.get());
  cudaEventDestroy(event);
  return host.get()[0] == 1 ? 1 : 0;
}

// A stream is destroyed while its work is pending; the end of that is known by an event, or not awaited.
int memory_of_a_destroyed_stream(bool wait_for_event) {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream consumer;
  cudaEvent_t filled = nullptr;
  cudaEventCreateWithFlags(&filled, cudaEventDisableTiming);
  {
    const Stream producer;
    cudaMemsetAsync(device.get(), 1, kBytes, producer.get());
    cudaEventRecord(filled, producer.get());
  }
  if (wait_for_event) cudaStreamWaitEvent(consumer.get(), filled);
  cudaMemsetAsync(device.get(), 2, kBytes, consumer.get());
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, consumer.get());
  cudaDeviceSynchronize();
  cudaMemcpy(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost);
  cudaEventDestroy(filled);
  return host.get()[0] == 2 ? 1 : 0;
}
int memory_after_the_work_of_a_destroyed_stream() { return memory_of_a_destroyed_stream(true); }
int memory_of_a_destroyed_stream_at_once() { return memory_of_a_destroyed_stream(false); }

// The legacy default stream and another one. Only a stream that was made without cudaStreamNonBlocking waits for it.
int default_stream_and_another(unsigned flags) {
  const DeviceBytes device;
  const PinnedBytes host;
  cudaStream_t other = nullptr;
  cudaStreamCreateWithFlags(&other, flags);
  cudaMemsetAsync(device.get(), 1, kBytes, nullptr);
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, other);
  cudaMemsetAsync(device.get(), 2, kBytes, nullptr);
  cudaStreamSynchronize(other);
  cudaStreamDestroy(other);
  return host.get()[0] == 1 ? 1 : 0;
}
int default_stream_and_a_blocking_one() { return default_stream_and_another(cudaStreamDefault); }
int default_stream_and_a_non_blocking_one() { return default_stream_and_another(cudaStreamNonBlocking); }

int host_reads_of_the_default_stream(bool synchronise) {
  const DeviceBytes device;
  const PinnedBytes host;
  char found[kBytes] = {};
  cudaMemsetAsync(device.get(), 1, kBytes, nullptr);
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, nullptr);
  if (synchronise) cudaStreamSynchronize(nullptr);
  copy_on_host(found, host.get());
  return found[0] == 1 ? 1 : 0;
}
int host_reads_after_the_default_stream() { return host_reads_of_the_default_stream(true); }
int host_reads_before_the_default_stream() { return host_reads_of_the_default_stream(false); }

// A caching allocator hands a block that one stream still fills to another.
int block_handed_on(bool when_its_event_has_passed) {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream first;
  const Stream second;
  cudaEvent_t last_use = nullptr;
  cudaEventCreateWithFlags(&last_use, cudaEventDisableTiming);
  cudaMemsetAsync(device.get(), 1, kBytes, first.get());
  cudaEventRecord(last_use, first.get());
  while (when_its_event_has_passed && cudaEventQuery(last_use) == cudaErrorNotReady) {
  }
  cudaMemsetAsync(device.get(), 2, kBytes, second.get());
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, second.get());
  cudaStreamSynchronize(second.get());
  cudaStreamSynchronize(first.get());
  cudaEventDestroy(last_use);
  cudaMemcpy(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost);
  return host.get()[0] == 2 ? 1 : 0;
}
int block_handed_on_after_its_event() { return block_handed_on(true); }
int block_handed_on_too_early() { return block_handed_on(false); }

int read_on_the_host(bool synchronise) {
  const DeviceBytes device;
  const PinnedBytes host;
  const Stream stream;
  cudaMemsetAsync(device.get(), 1, kBytes, stream.get());
  cudaMemcpyAsync(host.get(), device.get(), kBytes, cudaMemcpyDeviceToHost, stream.get());
  if (synchronise) cudaStreamSynchronize(stream.get());
  char found[kBytes] = {};
  copy_on_host(found, host.get());
  return found[0] == 1 ? 1 : 0;
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
  const char twos[kBytes] = {2};
  copy_on_host(staging.get(), twos);
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
    HOST_CASE(event_destroyed_while_awaited),
    HOST_CASE(event_destroyed_instead_of_awaited),
    HOST_CASE(event_recorded_anew_while_awaited),
    HOST_CASE(memory_after_the_work_of_a_destroyed_stream),
    HOST_CASE(memory_of_a_destroyed_stream_at_once),
    HOST_CASE(default_stream_and_a_blocking_one),
    HOST_CASE(default_stream_and_a_non_blocking_one),
    HOST_CASE(host_reads_after_the_default_stream),
    HOST_CASE(host_reads_before_the_default_stream),
    HOST_CASE(block_handed_on_after_its_event),
    HOST_CASE(block_handed_on_too_early),
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
