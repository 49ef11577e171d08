// Streams and events of the CUDA runtime, owned.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>

#include "native/core/device_api.h"

namespace fused_bear_loss::cuda {

// Makes a device the calling thread's current one, and the former one again at its end. Asks the runtime nothing
// where an outer scope of the thread has made it so.
class DeviceScope {
 public:
  explicit DeviceScope(int device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  const int outer_; // the device of the scope around this one; -1: none
  int former_;
  bool changed_ = false;
};

// A place in a stream that others can wait for, also when the stream has been destroyed. Handles are used again.
class Event {
 public:
  Event(int device, std::uint64_t stream_id);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  cudaEvent_t handle() const { return handle_; }
  std::uint64_t stream_id() const { return stream_id_; }
  bool has_passed() const; // false also where the runtime does not say
  void synchronize() const;

 private:
  const int device_;
  const std::uint64_t stream_id_;
  const cudaEvent_t handle_;
};

// Gives events that nobody uses back to the runtime.
void release_unused_events(int device) noexcept;

class Stream final : public DeviceStream {
 public:
  // A new one, which does not wait for the default stream.
  static std::shared_ptr<Stream> create(int device);
  // Another owner's; null is the device's default stream.
  static std::shared_ptr<Stream> adopt(int device, cudaStream_t handle);

  ~Stream() override;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int device() const override { return device_; }
  void synchronize() const override;

  cudaStream_t handle() const { return handle_; }
  // Handles are used again after a stream's end, this number never.
  std::uint64_t id() const { return id_; }

  // An event of this stream that has yet to be recorded. Whoever must not run out of memory later makes it before.
  std::shared_ptr<Event> make_event() const;
  void record(const Event& event) const;
  std::shared_ptr<Event> record() const;
  void wait_for(const Event& event) const;
  // Waits for the stream's work to end; for the whole device's where the stream is not there any more.
  void drain() const noexcept;

 private:
  Stream(int device, cudaStream_t handle, bool owned);

  int device_;
  cudaStream_t handle_;
  bool owned_;
  std::uint64_t id_;
};

} // namespace fused_bear_loss::cuda
