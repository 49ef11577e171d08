#include "native/binding/device_handle.h"

#include <utility>

#include "native/binding/typed_views.h"

namespace fused_bear_loss {
namespace {

// An external of another addon would be taken for ours without it.
constexpr napi_type_tag kTypeTag = {0x8f1b6c02a97d4e35, 0xb4e05d7713fa9c68};

// Device memory counts for the garbage collector as if it were the process's own: else it sees a few bytes, waits, and
// the device runs full of tensors that nobody holds.
void adjust_external_memory(Napi::Env env, const DeviceHandle& handle, int sign) {
  if (handle.storage == nullptr) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, sign * static_cast<std::int64_t>(handle.storage->bytes()));
}

void release(Napi::Env env, DeviceHandle& handle) {
  adjust_external_memory(env, handle, -1);
  handle = {};
}

Napi::Value wrap(Napi::Env env, DeviceHandle contents) {
  auto handle = std::make_unique<DeviceHandle>(std::move(contents));
  const auto finalize = [](Napi::Env finalizer_env, DeviceHandle* dead) {
    release(finalizer_env, *dead);
    delete dead;
  };
  const Napi::External<DeviceHandle> external = Napi::External<DeviceHandle>::New(env, handle.get(), finalize);
  adjust_external_memory(env, *handle.release(), 1);
  external.TypeTag(&kTypeTag);
  return external;
}

DeviceHandle& handle_of(const Napi::Value& value) {
  if (value.IsExternal()) {
    const auto external = value.As<Napi::External<DeviceHandle>>();
    if (external.CheckTypeTag(&kTypeTag)) return *external.Data();
  }
  throw malformed(value.Env(), "no handle of a device");
}

template <class T>
const std::shared_ptr<T>& present(const Napi::Value& value, const std::shared_ptr<T>& held) {
  if (held != nullptr) return held;
  throw malformed(value.Env(), "a handle that holds something else");
}

} // namespace

Napi::Value wrap_storage(Napi::Env env, std::shared_ptr<DeviceStorage> storage) {
  return wrap(env, {std::move(storage), nullptr, nullptr});
}
Napi::Value wrap_stream(Napi::Env env, std::shared_ptr<DeviceStream> stream) {
  return wrap(env, {nullptr, std::move(stream), nullptr});
}
Napi::Value wrap_loss(Napi::Env env, std::shared_ptr<EnqueuedLoss> loss) {
  return wrap(env, {nullptr, nullptr, std::move(loss)});
}

void set_loss(const Napi::Value& handle, std::shared_ptr<EnqueuedLoss> loss) {
  handle_of(handle).loss = std::move(loss);
}

const std::shared_ptr<DeviceStorage>& storage_of(const Napi::Value& handle) {
  return present(handle, handle_of(handle).storage);
}
const std::shared_ptr<DeviceStream>& stream_of(const Napi::Value& handle) {
  return present(handle, handle_of(handle).stream);
}
const std::shared_ptr<EnqueuedLoss>& loss_of(const Napi::Value& handle) {
  return present(handle, handle_of(handle).loss);
}

void release_handle(const Napi::Value& handle) { release(handle.Env(), handle_of(handle)); }

} // namespace fused_bear_loss
