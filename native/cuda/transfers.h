// Copies between ordinary memory of the host and a device, through page-locked buffers: only from those does the device
// copy without making the whole host thread wait.
#pragma once

#include <memory>

#include "native/cuda/device_storage.h"

namespace fused_bear_loss::cuda {

// Returns when `host` has been read; the copy itself is work on `stream`.
void upload(Storage& storage, const void* host, std::size_t bytes, const std::shared_ptr<Stream>& stream);

// From `offset` bytes on. Returns when all is at `host`, after everything that was announced to the storage.
void download(const Storage& storage, std::size_t offset, void* host, std::size_t bytes);

// A copy of what the memory holds after the work announced so far, and not of what later work makes of it.
class Download final : public EnqueuedDownload {
 public:
  Download(const std::shared_ptr<Storage>& storage, std::size_t bytes);
  void finish(void* host) override;

 private:
  const std::size_t bytes_;
  PinnedBuffer pinned_;
  std::shared_ptr<Event> copied_;
};

} // namespace fused_bear_loss::cuda
