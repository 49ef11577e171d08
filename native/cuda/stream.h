// Streams and events of the CUDA runtime, owned.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>

#include "native/core/device_api.h"

namespace fused_bear_loss::cuda {

// Makes a device the calling thread's current one, and the former one again at its end.
class DeviceScope {
 public:
  explicit DeviceScope(int device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int former_ = 0;
  bool changed_ = false;
};

// A place in a stream that others can wait for.
class Event {
 public:
  explicit Event(int device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  cudaEvent_t handle() const { return handle_; }
  bool has_passed() const; // a failed device counts as passed: nothing runs on it any more
  void synchronize() const;

 private:
  int device_;
  cudaEvent_t handle_ = nullptr;
};

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

  std::unique_ptr<Event> record() const;
  void wait_for(const Event& event) const;
  void wait_for(const Stream& other) const;

 private:
  Stream(int device, cudaStream_t handle, bool owned);

  int device_;
  cudaStream_t handle_;
  bool owned_;
  std::uint64_t id_;
};

} // namespace fused_bear_loss::cuda
