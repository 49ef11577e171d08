// Memory on a device and page-locked memory of the host, given back to their caches when the last owner is gone; and
// what orders the work that uses them.
//
// Whoever enqueues work makes a StreamUse, touches all memory that the work reads or writes, enqueues, and calls
// done(). Memory then knows the end of that work by an event and needs the stream no more: another library may destroy
// its own.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "native/cuda/device_registry.h"

namespace fused_bear_loss::cuda {

class UsedMemory {
 public:
  UsedMemory(const UsedMemory&) = delete;
  UsedMemory& operator=(const UsedMemory&) = delete;

 protected:
  using Events = std::vector<std::shared_ptr<Event>>;

  explicit UsedMemory(Events last_uses) : last_uses_(std::move(last_uses)) {}
  ~UsedMemory() = default;

  Events take_last_uses() { return std::move(last_uses_); }

 private:
  friend class StreamUse;

  mutable std::mutex mutex_;
  mutable Events last_uses_; // their order among each other is not known; empty: all have ended
};

class Storage final : public DeviceStorage, public UsedMemory {
 public:
  static std::shared_ptr<Storage> allocate(Device& device, std::size_t bytes, const std::shared_ptr<Stream>& stream);
  static std::shared_ptr<Storage> adopt(Device& device, void* pointer, std::size_t bytes);

  ~Storage() override;

  int device() const override { return device_.index; }
  void* data() const override { return pointer_; }
  std::size_t bytes() const override { return bytes_; }

  Device& owner() const { return device_; }

 private:
  Storage(Device& device, BlockCache::Block block, std::size_t bytes, bool owned);

  Device& device_;
  void* const pointer_;
  const std::size_t bytes_;
  const bool owned_;
};

// Page-locked host memory.
class PinnedBuffer final : public UsedMemory {
 public:
  PinnedBuffer(Device& device, std::size_t bytes);
  ~PinnedBuffer();

  char* data() const { return static_cast<char*>(pointer_); }

 private:
  PinnedBuffer(Device& device, BlockCache::Block block);

  Device& device_;
  void* const pointer_;
};

// Work on a stream, and the memory that it uses, which must live longer.
class StreamUse {
 public:
  explicit StreamUse(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  // Where done() has not been reached, does its work, or else waits for the stream.
  ~StreamUse();
  StreamUse(const StreamUse&) = delete;
  StreamUse& operator=(const StreamUse&) = delete;

  const Stream& stream() const { return *stream_; }

  // Before the work is enqueued: it comes after everything that used the memory so far, on whatever stream.
  void touch(const UsedMemory& memory);

  // After the work has been enqueued: whoever uses the memory from now on comes after it. May be called again after
  // more work. Returns its end.
  std::shared_ptr<Event> done();

  // In place of done(): the caller has waited for all of the work.
  void ended() noexcept { replace_last_uses(nullptr); }

 private:
  struct Touched {
    const UsedMemory* memory;
    UsedMemory::Events followed; // the uses that this one comes after
  };

  void replace_last_uses(const std::shared_ptr<Event>& event) noexcept;

  const std::shared_ptr<Stream> stream_;
  std::vector<Touched> touched_;
  std::shared_ptr<Event> next_;       // that done() records
  const Event* waited_for_ = nullptr; // the last one: memory of one call has one event
  bool is_open_ = false;
};

} // namespace fused_bear_loss::cuda
