// The CUDA runtime with errors as exceptions, and its resources with owners.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace fused_bear_loss::device_check {

class CudaError : public std::runtime_error {
 public:
  CudaError(const char* what, cudaError_t status)
      : std::runtime_error(std::string(what) + ": " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status)),
        status(status) {}
  const cudaError_t status;
};

inline void must(const char* what, cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError(); // or the next launch would report it once more
  throw CudaError(what, status);
}

class DeviceBuffer {
 public:
  explicit DeviceBuffer(std::size_t bytes) : bytes_(bytes) {
    if (bytes > 0) must("cudaMalloc", cudaMalloc(&data_, bytes));
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept : data_(other.data_), bytes_(other.bytes_) { other.data_ = nullptr; }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { cudaFree(data_); }

  template <class T = char>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t bytes() const { return bytes_; }
  // NaN in every dtype.
  void poison() const { must("cudaMemset", cudaMemset(data_, 0xff, bytes_)); }
  void upload(const void* from, std::size_t bytes) const {
    must("copy to the device", cudaMemcpy(data_, from, bytes, cudaMemcpyHostToDevice));
  }
  template <class T>
  std::vector<T> download(std::size_t count) const {
    std::vector<T> values(count);
    must("copy to the host", cudaMemcpy(values.data(), data_, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  void* data_ = nullptr;
  std::size_t bytes_;
};

class Event {
 public:
  Event() { must("cudaEventCreate", cudaEventCreate(&event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }

  void record() const { must("cudaEventRecord", cudaEventRecord(event_, nullptr)); }
  // Waits for `later`.
  float milliseconds_until(const Event& later) const {
    must("cudaEventSynchronize", cudaEventSynchronize(later.event_));
    float milliseconds = 0;
    must("cudaEventElapsedTime", cudaEventElapsedTime(&milliseconds, event_, later.event_));
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

} // namespace fused_bear_loss::device_check
