#include "native/cuda/stream.h"

#include <atomic>
#include <map>
#include <mutex>
#include <vector>

#include "native/cuda/cuda_status.h"

namespace fused_bear_loss::cuda {

namespace {

thread_local int device_of_scope = -1;

// Events that nobody uses any more, by device.
class EventPool {
 public:
  cudaEvent_t take(int device) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      std::vector<cudaEvent_t>& free = free_[device];
      if (!free.empty()) {
        const cudaEvent_t event = free.back();
        free.pop_back();
        return event;
      }
    }
    const DeviceScope scope(device);
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return event;
  }

  // What waits for the event keeps waiting for the recording that it saw.
  void give_back(int device, cudaEvent_t event) noexcept {
    try {
      const std::lock_guard<std::mutex> lock(mutex_);
      free_[device].push_back(event);
    } catch (const std::exception&) { // no memory to keep it
      ignore(cudaEventDestroy(event));
    }
  }

  void release(int device) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto of_device = free_.find(device);
    if (of_device == free_.end()) return;
    for (const cudaEvent_t event : of_device->second) ignore(cudaEventDestroy(event));
    free_.erase(of_device);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::vector<cudaEvent_t>> free_;
};

// Never destroyed, as the runtime may be gone by then.
EventPool& event_pool() {
  static auto& pool = *new EventPool;
  return pool;
}

} // namespace

DeviceScope::DeviceScope(int device) : outer_(device_of_scope), former_(outer_) {
  if (outer_ != device) {
    if (outer_ < 0) check(cudaGetDevice(&former_));
    if (former_ != device) check(cudaSetDevice(device));
    changed_ = former_ != device;
  }
  device_of_scope = device;
}

DeviceScope::~DeviceScope() {
  if (changed_) ignore(cudaSetDevice(former_));
  device_of_scope = outer_;
}

Event::Event(int device, std::uint64_t stream_id)
    : device_(device), stream_id_(stream_id), handle_(event_pool().take(device)) {}

Event::~Event() { event_pool().give_back(device_, handle_); }

void release_unused_events(int device) noexcept { event_pool().release(device); }

bool Event::has_passed() const {
  const cudaError_t status = cudaEventQuery(handle_);
  ignore(status);
  return status == cudaSuccess;
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
  std::shared_ptr<Stream> stream(new Stream(device, nullptr, false)); // what needs memory comes first
  check(cudaStreamCreateWithFlags(&stream->handle_, cudaStreamNonBlocking));
  stream->owned_ = true;
  return stream;
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

std::shared_ptr<Event> Stream::make_event() const { return std::make_shared<Event>(device_, id_); }

void Stream::record(const Event& event) const {
  const DeviceScope scope(device_);
  check(cudaEventRecord(event.handle(), handle_));
}

std::shared_ptr<Event> Stream::record() const {
  std::shared_ptr<Event> event = make_event();
  record(*event);
  return event;
}

void Stream::wait_for(const Event& event) const {
  if (event.stream_id() == id_) return;
  const DeviceScope scope(device_);
  check(cudaStreamWaitEvent(handle_, event.handle(), 0));
}

void Stream::drain() const noexcept {
  try {
    const DeviceScope scope(device_);
    if (cudaStreamSynchronize(handle_) == cudaSuccess) return;
    cudaGetLastError();
    ignore(cudaDeviceSynchronize()); // where this fails as well, nothing runs on the device any more
  } catch (const std::exception&) {  // likewise
  }
}

} // namespace fused_bear_loss::cuda
