#include "native/cuda/transfers.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "native/cuda/cuda_status.h"

namespace fused_bear_loss::cuda {
namespace {

// Large enough that the bus is busy, small enough that two of them are no burden.
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

// Two page-locked buffers in turn, so that the host fills or empties one while the device copies the other.
class PieceBuffers {
 public:
  PieceBuffers(Device& device, std::size_t bytes) {
    const std::size_t size = std::min(bytes, kPieceBytes);
    const std::size_t count = bytes > kPieceBytes ? 2 : 1;
    pieces_.resize(count);
    for (Piece& each : pieces_) each.pinned = std::make_unique<PinnedBuffer>(device, size);
  }

  char* data(std::size_t index) const { return piece(index).pinned->data(); }

  void touch_all(StreamUse& use) const {
    for (const Piece& each : pieces_) use.touch(*each.pinned);
  }

  // The device has been told to copy the piece.
  void announce(std::size_t index, std::shared_ptr<Event> copied) { piece(index).copied = std::move(copied); }

  void wait(std::size_t index) const {
    if (piece(index).copied != nullptr) piece(index).copied->synchronize();
  }

 private:
  struct Piece {
    std::unique_ptr<PinnedBuffer> pinned;
    std::shared_ptr<Event> copied;
  };

  Piece& piece(std::size_t index) { return pieces_[index % pieces_.size()]; }
  const Piece& piece(std::size_t index) const { return pieces_[index % pieces_.size()]; }

  std::vector<Piece> pieces_;
};

std::size_t piece_count(std::size_t bytes) { return (bytes + kPieceBytes - 1) / kPieceBytes; }

std::size_t piece_bytes(std::size_t bytes, std::size_t index) {
  return std::min(kPieceBytes, bytes - index * kPieceBytes);
}

} // namespace

void upload(Storage& storage, const void* host, std::size_t bytes, const std::shared_ptr<Stream>& stream) {
  if (bytes == 0) return;
  PieceBuffers pieces(storage.owner(), bytes);
  const DeviceScope scope(storage.device());
  StreamUse use(stream);
  use.touch(storage);
  pieces.touch_all(use);
  const std::size_t count = piece_count(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    pieces.wait(i);
    const std::size_t offset = i * kPieceBytes;
    const std::size_t size = piece_bytes(bytes, i);
    std::memcpy(pieces.data(i), static_cast<const char*>(host) + offset, size);
    check(cudaMemcpyAsync(static_cast<char*>(storage.data()) + offset, pieces.data(i), size, cudaMemcpyHostToDevice,
                          stream->handle()));
    pieces.announce(i, i + 1 < count ? stream->record() : use.done());
  }
}

void download(const Storage& storage, std::size_t offset, void* host, std::size_t bytes) {
  if (bytes == 0) return;
  PieceBuffers pieces(storage.owner(), bytes);
  const std::shared_ptr<Stream> stream = storage.owner().copy_stream();
  const DeviceScope scope(storage.device());
  StreamUse use(stream);
  use.touch(storage);
  pieces.touch_all(use);
  const std::size_t count = piece_count(bytes);
  const auto start = [&](std::size_t index) {
    check(cudaMemcpyAsync(pieces.data(index), static_cast<const char*>(storage.data()) + offset + index * kPieceBytes,
                          piece_bytes(bytes, index), cudaMemcpyDeviceToHost, stream->handle()));
    pieces.announce(index, stream->record());
  };
  start(0);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 1 < count) start(i + 1);
    pieces.wait(i);
    std::memcpy(static_cast<char*>(host) + i * kPieceBytes, pieces.data(i), piece_bytes(bytes, i));
  }
  use.ended();
}

Download::Download(const std::shared_ptr<Storage>& storage, std::size_t bytes)
    : bytes_(bytes), pinned_(storage->owner(), bytes) {
  const DeviceScope scope(storage->device());
  StreamUse use(storage->owner().copy_stream());
  use.touch(*storage);
  use.touch(pinned_);
  check(cudaMemcpyAsync(pinned_.data(), storage->data(), bytes, cudaMemcpyDeviceToHost, use.stream().handle()));
  copied_ = use.done();
}

void Download::finish(void* host) {
  copied_->synchronize();
  std::memcpy(host, pinned_.data(), bytes_);
}

} // namespace fused_bear_loss::cuda
