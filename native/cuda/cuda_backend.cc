// The CUDA backend as the binding sees it (backend.h, device_api.h).
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "native/core/backend.h"
#include "native/core/device_api.h"
#include "native/cuda/cuda_status.h"
#include "native/cuda/device_registry.h"
#include "native/cuda/device_storage.h"
#include "native/cuda/launch_loss.h"
#include "native/cuda/loss_report.h"
#include "native/cuda/staged_loss.h"
#include "native/cuda/transfers.h"

namespace fused_bear_loss {
namespace cuda {
namespace {

// Host arrays on one device.
class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index) : index_(index) {}

  ComputeStatus compute(const LossProblem& problem, const LossOutputs& outputs, LossSummary& summary,
                        const std::atomic<std::int32_t>* abort) const override {
    return compute_staged(device_at(index_), problem, outputs, summary, abort);
  }

 private:
  int index_;
};

class Enqueued final : public EnqueuedLoss {
 public:
  Enqueued(std::shared_ptr<Storage> workspace, std::int64_t rows) : workspace_(std::move(workspace)), rows_(rows) {}

  DeviceLossReport wait() override { return read_report(*workspace_, rows_); }

 private:
  std::shared_ptr<Storage> workspace_;
  std::int64_t rows_;
};

// Every stream and storage that comes in was made here.
std::shared_ptr<Stream> own(const std::shared_ptr<DeviceStream>& stream) {
  return std::static_pointer_cast<Stream>(stream);
}
Storage& own(DeviceStorage& storage) { return static_cast<Storage&>(storage); }
const Storage& own(const DeviceStorage& storage) { return static_cast<const Storage&>(storage); }

// Memory that another library handed over as an address.
void check_address(int device, const void* pointer) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, pointer));
  if (attributes.type == cudaMemoryTypeUnregistered || attributes.type == cudaMemoryTypeHost) {
    throw DeviceError(DeviceErrorKind::kInvalidMemory, "the address is not memory of a device");
  }
  if (attributes.device != device) {
    throw DeviceError(DeviceErrorKind::kInvalidMemory,
                      "the address is memory of device " + std::to_string(attributes.device));
  }
}

class CudaApi final : public DeviceApi {
 public:
  std::shared_ptr<DeviceStream> create_stream(int device) const override {
    return Stream::create(device_at(device).index);
  }

  std::shared_ptr<DeviceStream> adopt_stream(int device, void* handle) const override {
    Device& owner = device_at(device);
    if (handle == nullptr) return owner.default_stream;
    return Stream::adopt(owner.index, static_cast<cudaStream_t>(handle));
  }

  std::shared_ptr<DeviceStorage> allocate(int device, std::size_t bytes,
                                          const std::shared_ptr<DeviceStream>& stream) const override {
    return Storage::allocate(device_at(device), bytes, own(stream));
  }

  std::shared_ptr<DeviceStorage> adopt(int device, void* pointer, std::size_t bytes) const override {
    Device& owner = device_at(device);
    const DeviceScope scope(device);
    check_address(device, pointer);
    return Storage::adopt(owner, pointer, bytes);
  }

  void upload(DeviceStorage& storage, const void* host, std::size_t bytes,
              const std::shared_ptr<DeviceStream>& stream) const override {
    cuda::upload(own(storage), host, bytes, own(stream));
  }

  void clear(DeviceStorage& storage, const std::shared_ptr<DeviceStream>& stream) const override {
    const DeviceScope scope(storage.device());
    StreamUse use(own(stream));
    use.touch(own(storage));
    check(cudaMemsetAsync(storage.data(), 0, storage.bytes(), use.stream().handle()));
    use.done();
  }

  void copy(DeviceStorage& destination, DeviceStorage& source, std::size_t bytes,
            const std::shared_ptr<DeviceStream>& stream) const override {
    const DeviceScope scope(destination.device());
    StreamUse use(own(stream));
    use.touch(own(destination));
    use.touch(own(source));
    check(cudaMemcpyAsync(destination.data(), source.data(), bytes, cudaMemcpyDeviceToDevice, use.stream().handle()));
    use.done();
  }

  void download(const DeviceStorage& storage, void* host, std::size_t bytes) const override {
    cuda::download(own(storage), 0, host, bytes);
  }

  std::unique_ptr<EnqueuedDownload> enqueue_download(const std::shared_ptr<DeviceStorage>& storage,
                                                     std::size_t bytes) const override {
    return std::make_unique<Download>(std::static_pointer_cast<Storage>(storage), bytes);
  }

  std::shared_ptr<EnqueuedLoss> enqueue_loss(const DeviceLossCall& call,
                                             const std::shared_ptr<DeviceStream>& stream) const override {
    Device& device = device_at(stream->device());
    const std::shared_ptr<Stream> own_stream = own(stream);
    const std::int64_t rows = call.problem.rows;
    std::shared_ptr<Storage> workspace = Storage::allocate(device, workspace_bytes(rows), own_stream);
    // Made first: once the device is at work, nothing may fail any more.
    auto enqueued = std::make_shared<Enqueued>(workspace, rows);
    const DeviceScope scope(device.index);
    StreamUse use(own_stream);
    use.touch(*workspace);
    for (const std::shared_ptr<DeviceStorage>& storage : call.storages) use.touch(own(*storage));
    const DeviceProblem problem = {call.problem, call.allowed_token_count, call.outputs, call.loss};
    check(cuda::enqueue_loss(problem, workspace_at(workspace->data(), rows), own_stream->handle(), device.properties),
          Operation::kLaunch);
    use.done();
    return enqueued;
  }

  DeviceMemoryReport memory(int device) const override {
    const Device& owner = device_at(device);
    return {owner.memory.counts(), owner.pinned.counts()};
  }

  void release_cached(int device) const override {
    Device& owner = device_at(device);
    owner.memory.release_cached();
    owner.pinned.release_cached();
    release_unused_events(device);
  }
};

CudaDevice describe_device(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index));
  CudaDevice device;
  device.index = index;
  device.name = properties.name;
  device.compute_capability = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  device.memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
  return device;
}

} // namespace
} // namespace cuda

CudaInfo cuda_info() {
  CudaInfo info;
  info.built = true;
  try {
    const int count = cuda::device_count();
    for (int index = 0; index < count; ++index) info.devices.push_back(cuda::describe_device(index));
    info.available = true;
  } catch (const DeviceError& error) {
    info.reason = error.what();
    info.devices.clear();
  }
  return info;
}

const Backend& cuda_backend(int device_index) {
  cuda::device_at(device_index);
  static std::mutex& mutex = *new std::mutex;
  static auto& backends = *new std::map<int, std::unique_ptr<cuda::CudaBackend>>;
  const std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<cuda::CudaBackend>& backend = backends[device_index];
  if (backend == nullptr) backend = std::make_unique<cuda::CudaBackend>(device_index);
  return *backend;
}

const DeviceApi& device_api() {
  static const cuda::CudaApi api;
  return api;
}

} // namespace fused_bear_loss
