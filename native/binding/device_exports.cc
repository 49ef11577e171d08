#include "native/binding/device_exports.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "native/binding/background_calls.h"
#include "native/binding/device_handle.h"
#include "native/binding/device_loss_call.h"
#include "native/binding/exported_function.h"
#include "native/binding/loss_outcome.h"
#include "native/binding/typed_views.h"
#include "native/core/device_api.h"

namespace fused_bear_loss {
namespace {

int device_of(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

std::size_t size_of(const Napi::Value& value) {
  return static_cast<std::size_t>(value.As<Napi::Number>().Int64Value());
}

void* pointer_of(const Napi::Value& value) {
  bool lossless = false;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses cross as numbers
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(value.As<Napi::BigInt>().Uint64Value(&lossless)));
}

std::shared_ptr<DeviceStream> stream_or_default(const Napi::Value& handle, int device) {
  return handle.IsUndefined() ? device_api().adopt_stream(device, nullptr) : held<DeviceStream>(handle);
}

// Of a Uint8Array.
View bytes_of(const Napi::Value& value) {
  const View view = view_of(value.Env(), value, "bytes");
  check_view(value.Env(), "bytes", view, napi_uint8_array, 0);
  return view;
}

Napi::Value create_stream(const Napi::CallbackInfo& info) {
  return wrap_handle(info.Env(), device_api().create_stream(device_of(info[0])));
}

Napi::Value adopt_stream(const Napi::CallbackInfo& info) {
  return wrap_handle(info.Env(), device_api().adopt_stream(device_of(info[0]), pointer_of(info[1])));
}

Napi::Value synchronize_stream(const Napi::CallbackInfo& info) {
  held<DeviceStream>(info[0])->synchronize();
  return info.Env().Undefined();
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
  const int device = device_of(info[0]);
  const std::shared_ptr<DeviceStream> stream = stream_or_default(info[2], device);
  std::shared_ptr<DeviceStorage> storage = device_api().allocate(device, size_of(info[1]), stream);
  if (info[3].ToBoolean()) device_api().clear(*storage, stream);
  return wrap_handle(info.Env(), std::move(storage));
}

Napi::Value upload(const Napi::CallbackInfo& info) {
  const int device = device_of(info[0]);
  const View host = bytes_of(info[1]);
  const std::shared_ptr<DeviceStream> stream = stream_or_default(info[2], device);
  std::shared_ptr<DeviceStorage> storage = device_api().allocate(device, host.length, stream);
  device_api().upload(*storage, host.data, host.length, stream);
  return wrap_handle(info.Env(), std::move(storage));
}

Napi::Value adopt(const Napi::CallbackInfo& info) {
  return wrap_handle(info.Env(), device_api().adopt(device_of(info[0]), pointer_of(info[1]), size_of(info[2])));
}

Napi::Value pointer(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(
      info.Env(), static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(held<DeviceStorage>(info[0])->data())));
}

void check_room(const Napi::Env& env, const DeviceStorage& storage, std::size_t bytes) {
  if (bytes <= storage.bytes()) return;
  throw malformed(env, "more bytes than the tensor has");
}

Napi::Value copy(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DeviceStorage> destination = held<DeviceStorage>(info[0]);
  const std::shared_ptr<DeviceStorage> source = held<DeviceStorage>(info[1]);
  const std::size_t bytes = size_of(info[2]);
  check_room(info.Env(), *destination, bytes);
  check_room(info.Env(), *source, bytes);
  device_api().copy(*destination, *source, bytes, stream_or_default(info[3], destination->device()));
  return info.Env().Undefined();
}

Napi::Value download(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DeviceStorage> storage = held<DeviceStorage>(info[0]);
  const View host = bytes_of(info[1]);
  check_room(info.Env(), *storage, host.length);
  device_api().download(*storage, host.data, host.length);
  return info.Env().Undefined();
}

// Calls that wait for a device, which cannot be told to stop. Their settle() also lets go of what was waited for: who
// disposes of a result in `done` has its memory back at once.
class DownloadWait final : public BackgroundCall {
 public:
  DownloadWait(const Napi::Function& done, std::unique_ptr<EnqueuedDownload> copy, const Napi::Value& destination)
      : BackgroundCall(done),
        download_(std::move(copy)),
        destination_(Napi::Persistent(destination.As<Napi::Object>())),
        memory_(bytes_of(destination)) {}

  void cancel() noexcept override {}

 protected:
  // The destination is an array that nobody else knows yet, so its memory stays where it is.
  void work() override { download_->finish(memory_.data); }
  Napi::Value settle(Napi::Env env) override {
    download_.reset();
    return env.Undefined();
  }

 private:
  std::unique_ptr<EnqueuedDownload> download_;
  Napi::ObjectReference destination_;
  View memory_;
};

Napi::Value download_async(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DeviceStorage> storage = held<DeviceStorage>(info[0]);
  const View host = bytes_of(info[1]);
  check_room(info.Env(), *storage, host.length);
  auto copy = device_api().enqueue_download(storage, host.length);
  BackgroundCalls::of(info.Env())
      .wait(info.Env(), std::make_unique<DownloadWait>(info[2].As<Napi::Function>(), std::move(copy), info[1]));
  return info.Env().Undefined();
}

Napi::Value enqueue_loss(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  DeviceLossRequest request(info[0], info[1].As<Napi::Array>(), info[2]);
  if (const char* input = request.settle_overlap()) return overlap_outcome(env, input);
  const ProblemFault fault = request.find_host_fault();
  if (fault.error != ProblemError::kNone) return invalid_outcome(env, fault);
  // Made first: once the device is at work, nothing may fail any more.
  const Napi::Value handle = wrap_handle(env, std::shared_ptr<EnqueuedLoss>());
  handle_of(handle) = request.enqueue(stream_or_default(info[3], request.device()));
  return handle;
}

class LossWait final : public BackgroundCall {
 public:
  LossWait(const Napi::Function& done, std::shared_ptr<EnqueuedLoss> loss)
      : BackgroundCall(done), loss_(std::move(loss)) {}

  void cancel() noexcept override {}

 protected:
  void work() override { report_ = loss_->wait(); }
  Napi::Value settle(Napi::Env env) override {
    loss_.reset();
    if (report_.fault.error != ProblemError::kNone) return invalid_outcome(env, report_.fault);
    return outcome_of(env, ComputeStatus::kOk, report_.summary);
  }

 private:
  std::shared_ptr<EnqueuedLoss> loss_;
  DeviceLossReport report_;
};

Napi::Value read_loss(const Napi::CallbackInfo& info) {
  BackgroundCalls::of(info.Env())
      .wait(info.Env(), std::make_unique<LossWait>(info[1].As<Napi::Function>(), held<EnqueuedLoss>(info[0])));
  return info.Env().Undefined();
}

Napi::Value release(const Napi::CallbackInfo& info) {
  release_handle(info[0]);
  return info.Env().Undefined();
}

Napi::Object to_object(Napi::Env env, const MemoryCounts& counts) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("allocatedBytes", static_cast<double>(counts.used_bytes));
  object.Set("allocatedBlocks", static_cast<double>(counts.used_blocks));
  object.Set("cachedBytes", static_cast<double>(counts.cached_bytes));
  object.Set("cachedBlocks", static_cast<double>(counts.cached_blocks));
  return object;
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const DeviceMemoryReport report = device_api().memory(device_of(info[0]));
  Napi::Object object = Napi::Object::New(env);
  object.Set("device", to_object(env, report.device));
  object.Set("pinned", to_object(env, report.pinned));
  return object;
}

Napi::Value release_cached(const Napi::CallbackInfo& info) {
  device_api().release_cached(device_of(info[0]));
  return info.Env().Undefined();
}

} // namespace

void add_device_exports(Napi::Env env, Napi::Object exports) {
  Napi::Object device = Napi::Object::New(env);
  export_function<create_stream>(device, "createStream");
  export_function<adopt_stream>(device, "adoptStream");
  export_function<synchronize_stream>(device, "synchronizeStream");
  export_function<allocate>(device, "allocate");
  export_function<upload>(device, "upload");
  export_function<adopt>(device, "adopt");
  export_function<pointer>(device, "pointer");
  export_function<copy>(device, "copy");
  export_function<download>(device, "download");
  export_function<download_async>(device, "downloadAsync");
  export_function<enqueue_loss>(device, "enqueueLoss");
  export_function<read_loss>(device, "readLoss");
  export_function<release>(device, "release");
  export_function<memory>(device, "memory");
  export_function<release_cached>(device, "releaseCached");
  exports.Set("device", device);
}

} // namespace fused_bear_loss
