#include "native/cuda/device_storage.h"

#include <utility>

namespace fused_bear_loss::cuda {

Storage::Storage(Device& device, void* pointer, std::size_t bytes, std::shared_ptr<Stream> stream, bool owned)
    : device_(device), pointer_(pointer), bytes_(bytes), owned_(owned), last_stream_(std::move(stream)) {}

std::shared_ptr<Storage> Storage::allocate(Device& device, std::size_t bytes, std::shared_ptr<Stream> stream) {
  void* const pointer = device.memory.take(bytes, stream.get());
  return std::shared_ptr<Storage>(new Storage(device, pointer, bytes, std::move(stream), true));
}

std::shared_ptr<Storage> Storage::adopt(Device& device, void* pointer, std::size_t bytes) {
  return std::shared_ptr<Storage>(new Storage(device, pointer, bytes, nullptr, false));
}

Storage::~Storage() {
  if (owned_) device_.memory.give_back(pointer_, last_stream_.get());
}

void Storage::use_on(const std::shared_ptr<Stream>& stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (last_stream_ == stream) return;
  if (last_stream_ != nullptr) stream->wait_for(*last_stream_);
  last_stream_ = stream;
}

void Storage::follow(const Stream& stream) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (last_stream_ != nullptr) stream.wait_for(*last_stream_);
}

std::shared_ptr<Stream> Storage::last_stream() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_stream_ == nullptr ? device_.default_stream : last_stream_;
}

PinnedBuffer::PinnedBuffer(Device& device, std::size_t bytes)
    : device_(device), pointer_(device.pinned.take(bytes, nullptr)) {}

PinnedBuffer::~PinnedBuffer() { device_.pinned.give_back(pointer_, last_use_.get()); }

} // namespace fused_bear_loss::cuda
