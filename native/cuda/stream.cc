#include "native/cuda/stream.h"

#include <atomic>

#include "native/cuda/cuda_status.h"

namespace fused_bear_loss::cuda {

DeviceScope::DeviceScope(int device) {
  check(cudaGetDevice(&former_));
  if (former_ == device) return;
  check(cudaSetDevice(device));
  changed_ = true;
}

DeviceScope::~DeviceScope() {
  if (changed_) ignore(cudaSetDevice(former_));
}

Event::Event(int device) : device_(device) {
  const DeviceScope scope(device_);
  check(cudaEventCreateWithFlags(&handle_, cudaEventDisableTiming));
}

Event::~Event() { ignore(cudaEventDestroy(handle_)); }

bool Event::has_passed() const {
  const cudaError_t status = cudaEventQuery(handle_);
  ignore(status);
  return status != cudaErrorNotReady;
}

void Event::synchronize() const { check(cudaEventSynchronize(handle_)); }

namespace {

std::uint64_t next_stream_id() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

} // namespace

Stream::Stream(int device, cudaStream_t handle, bool owned)
    : device_(device), handle_(handle), owned_(owned), id_(next_stream_id()) {}

std::shared_ptr<Stream> Stream::create(int device) {
  const DeviceScope scope(device);
  cudaStream_t handle = nullptr;
  check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking));
  return std::shared_ptr<Stream>(new Stream(device, handle, true));
}

std::shared_ptr<Stream> Stream::adopt(int device, cudaStream_t handle) {
  return std::shared_ptr<Stream>(new Stream(device, handle, false));
}

// The runtime lets work that is still queued run to its end.
Stream::~Stream() {
  if (owned_) ignore(cudaStreamDestroy(handle_));
}

// The default stream is that of the current device, so each call below needs the right one.

void Stream::synchronize() const {
  const DeviceScope scope(device_);
  check(cudaStreamSynchronize(handle_));
}

std::unique_ptr<Event> Stream::record() const {
  const DeviceScope scope(device_);
  auto event = std::make_unique<Event>(device_);
  check(cudaEventRecord(event->handle(), handle_));
  return event;
}

void Stream::wait_for(const Event& event) const {
  const DeviceScope scope(device_);
  check(cudaStreamWaitEvent(handle_, event.handle(), 0));
}

void Stream::wait_for(const Stream& other) const { wait_for(*other.record()); }

} // namespace fused_bear_loss::cuda
