#include "native/cuda/device_storage.h"

#include <algorithm>
#include <utility>

namespace fused_bear_loss::cuda {

Storage::Storage(Device& device, BlockCache::Block block, std::size_t bytes, bool owned)
    : UsedMemory(std::move(block.last_uses)), device_(device), pointer_(block.pointer), bytes_(bytes), owned_(owned) {}

std::shared_ptr<Storage> Storage::allocate(Device& device, std::size_t bytes, const std::shared_ptr<Stream>& stream) {
  BlockCache::Block block = device.memory.take(bytes, stream.get());
  std::unique_ptr<Storage> storage;
  try {
    storage.reset(new Storage(device, std::move(block), bytes, true));
  } catch (const std::bad_alloc&) { // for the storage itself: the block has not been moved
    device.memory.give_back(std::move(block));
    throw;
  }
  return std::shared_ptr<Storage>(std::move(storage));
}

std::shared_ptr<Storage> Storage::adopt(Device& device, void* pointer, std::size_t bytes) {
  return std::shared_ptr<Storage>(new Storage(device, {pointer, {}}, bytes, false));
}

Storage::~Storage() {
  if (owned_) device_.memory.give_back({pointer_, take_last_uses()});
}

PinnedBuffer::PinnedBuffer(Device& device, std::size_t bytes)
    : PinnedBuffer(device, device.pinned.take(bytes, nullptr)) {}

PinnedBuffer::PinnedBuffer(Device& device, BlockCache::Block block)
    : UsedMemory(std::move(block.last_uses)), device_(device), pointer_(block.pointer) {}

PinnedBuffer::~PinnedBuffer() { device_.pinned.give_back({pointer_, take_last_uses()}); }

void StreamUse::touch(const UsedMemory& memory) {
  const std::lock_guard<std::mutex> lock(memory.mutex_);
  for (const std::shared_ptr<Event>& event : memory.last_uses_) {
    if (event.get() == waited_for_) continue;
    stream_->wait_for(*event);
    waited_for_ = event.get();
  }
  // Room for what done() adds, as that must not run out of memory: the device is at work by then.
  memory.last_uses_.reserve(memory.last_uses_.size() + 1);
  Touched touched = {&memory, memory.last_uses_};
  touched.followed.reserve(1);
  if (next_ == nullptr) next_ = stream_->make_event();
  touched_.push_back(std::move(touched));
  is_open_ = true;
}

std::shared_ptr<Event> StreamUse::done() {
  std::shared_ptr<Event> event = next_ == nullptr ? stream_->make_event() : std::move(next_);
  stream_->record(*event);
  replace_last_uses(event);
  return event;
}

StreamUse::~StreamUse() {
  if (!is_open_) return;
  try {
    done();
  } catch (const std::exception&) { // no event can be had: wait here
    stream_->drain();
    ended();
  }
}

void StreamUse::replace_last_uses(const std::shared_ptr<Event>& event) noexcept {
  for (Touched& each : touched_) {
    const std::lock_guard<std::mutex> lock(each.memory->mutex_);
    UsedMemory::Events& uses = each.memory->last_uses_;
    // What another thread has added since is not what this work came after.
    const auto is_followed = [&each](const std::shared_ptr<Event>& use) {
      return std::find(each.followed.begin(), each.followed.end(), use) != each.followed.end();
    };
    uses.erase(std::remove_if(uses.begin(), uses.end(), is_followed), uses.end());
    each.followed.clear();
    if (event == nullptr) continue;
    uses.push_back(event);
    each.followed.push_back(event);
  }
  is_open_ = false;
}

} // namespace fused_bear_loss::cuda
