// Memory on a device and page-locked memory of the host, given back to their caches when the last owner is gone.
#pragma once

#include <memory>
#include <mutex>

#include "native/cuda/device_registry.h"

namespace fused_bear_loss::cuda {

class Storage final : public DeviceStorage {
 public:
  static std::shared_ptr<Storage> allocate(Device& device, std::size_t bytes, std::shared_ptr<Stream> stream);
  static std::shared_ptr<Storage> adopt(Device& device, void* pointer, std::size_t bytes);

  ~Storage() override;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  int device() const override { return device_.index; }
  void* data() const override { return pointer_; }
  std::size_t bytes() const override { return bytes_; }

  // Before work on `stream` that touches this memory: that work comes after everything that was announced before, on
  // whatever stream.
  void use_on(const std::shared_ptr<Stream>& stream);

  // Makes `stream` wait for everything announced so far, without becoming the last user itself.
  void follow(const Stream& stream) const;

  // The stream of that work; the device's default stream where there is none.
  std::shared_ptr<Stream> last_stream() const;

  Device& owner() const { return device_; }

 private:
  Storage(Device& device, void* pointer, std::size_t bytes, std::shared_ptr<Stream> stream, bool owned);

  Device& device_;
  void* const pointer_;
  const std::size_t bytes_;
  const bool owned_;
  mutable std::mutex mutex_;
  std::shared_ptr<Stream> last_stream_; // null: adopted and not used yet
};

// Page-locked host memory. With `last_use` set, it is not handed out again before that stream's work has ended.
class PinnedBuffer {
 public:
  PinnedBuffer(Device& device, std::size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  char* data() const { return static_cast<char*>(pointer_); }
  void use_on(std::shared_ptr<Stream> stream) { last_use_ = std::move(stream); }

 private:
  Device& device_;
  void* const pointer_;
  std::shared_ptr<Stream> last_use_;
};

} // namespace fused_bear_loss::cuda
