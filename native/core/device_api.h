// The interface of a backend with its own memory: memory, streams, copies, and the loss of logits on the device. The
// binding sees devices only through this header. Every function throws DeviceError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/core/device_error.h"
#include "native/core/loss_problem.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss {

// A queue of work on one device; work of one stream runs in order.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;
  virtual int device() const = 0;
  virtual void synchronize() const = 0;
};

// Memory on one device. The last owner gives it back; work that still uses it is waited for where it is used again.
class DeviceStorage {
 public:
  virtual ~DeviceStorage() = default;
  virtual int device() const = 0;
  virtual void* data() const = 0;
  virtual std::size_t bytes() const = 0;
};

struct MemoryCounts {
  std::int64_t used_bytes = 0; // held by tensors and by calls that run
  std::int64_t used_blocks = 0;
  std::int64_t cached_bytes = 0; // kept for the next request
  std::int64_t cached_blocks = 0;
};

struct DeviceMemoryReport {
  MemoryCounts device;
  MemoryCounts pinned; // page-locked memory of the host that copies go through
};

// A call whose arrays are all on one device: every pointer of `problem` and `outputs` is null or device memory, and
// belongs to one of `storages`.
struct DeviceLossCall {
  LossProblem problem;
  std::int64_t allowed_token_count = 0;
  LossOutputs outputs;
  float* loss = nullptr; // [1], for every reduction but kNone
  std::vector<std::shared_ptr<DeviceStorage>> storages;
};

// What is known once the device is done: the summary, and the first fault among targets and allowed ids.
struct DeviceLossReport {
  LossSummary summary;
  ProblemFault fault;
};

class EnqueuedLoss {
 public:
  virtual ~EnqueuedLoss() = default;
  // Waits for the device. On any thread, as often as wanted.
  virtual DeviceLossReport wait() = 0;
};

// A copy from the device that is under way.
class EnqueuedDownload {
 public:
  virtual ~EnqueuedDownload() = default;
  // Waits for the device and copies to `host`. On any thread, once.
  virtual void finish(void* host) = 0;
};

class DeviceApi {
 public:
  virtual ~DeviceApi() = default;

  virtual std::shared_ptr<DeviceStream> create_stream(int device) const = 0;
  // A stream of another library, which keeps owning it. Null is the device's default stream.
  virtual std::shared_ptr<DeviceStream> adopt_stream(int device, void* handle) const = 0;

  // `stream` is where the memory is used first.
  virtual std::shared_ptr<DeviceStorage> allocate(int device, std::size_t bytes,
                                                  const std::shared_ptr<DeviceStream>& stream) const = 0;
  // Memory of another library, which keeps owning it and has it filled before, or on the stream that uses it first.
  virtual std::shared_ptr<DeviceStorage> adopt(int device, void* pointer, std::size_t bytes) const = 0;

  // Returns when `host` has been read, maybe before the device has it all.
  virtual void upload(DeviceStorage& storage, const void* host, std::size_t bytes,
                      const std::shared_ptr<DeviceStream>& stream) const = 0;
  virtual void clear(DeviceStorage& storage, const std::shared_ptr<DeviceStream>& stream) const = 0;
  // Between two memories of one device.
  virtual void copy(DeviceStorage& destination, DeviceStorage& source, std::size_t bytes,
                    const std::shared_ptr<DeviceStream>& stream) const = 0;
  // Returns when all is at `host`.
  virtual void download(const DeviceStorage& storage, void* host, std::size_t bytes) const = 0;
  // Copies what the memory holds after the work that has been enqueued so far.
  virtual std::unique_ptr<EnqueuedDownload> enqueue_download(const std::shared_ptr<DeviceStorage>& storage,
                                                             std::size_t bytes) const = 0;

  // Enqueues the loss and returns; waits for nothing.
  virtual std::shared_ptr<EnqueuedLoss> enqueue_loss(const DeviceLossCall& call,
                                                     const std::shared_ptr<DeviceStream>& stream) const = 0;

  virtual DeviceMemoryReport memory(int device) const = 0;
  // Gives cached memory back to the system, after waiting for the work that still uses it.
  virtual void release_cached(int device) const = 0;
};

// Throws DeviceError kNotBuilt where there is no such backend.
const DeviceApi& device_api();

} // namespace fused_bear_loss
