#include "native/binding/device_handle.h"

#include <utility>

namespace fused_bear_loss {
namespace {

// An external of another addon would be taken for ours without it.
constexpr napi_type_tag kTypeTag = {0x8f1b6c02a97d4e35, 0xb4e05d7713fa9c68};

// Device memory counts for the garbage collector as if it were the process's own: else it sees a few bytes, waits, and
// the device runs full of tensors that nobody holds.
void adjust_external_memory(Napi::Env env, const DeviceHandle& handle, int sign) {
  const auto* const storage = std::get_if<std::shared_ptr<DeviceStorage>>(&handle);
  if (storage == nullptr || *storage == nullptr) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, sign * static_cast<std::int64_t>((*storage)->bytes()));
}

void release(Napi::Env env, DeviceHandle& handle) {
  adjust_external_memory(env, handle, -1);
  handle = {};
}

} // namespace

Napi::Value wrap_handle(Napi::Env env, DeviceHandle contents) {
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

void release_handle(const Napi::Value& handle) { release(handle.Env(), handle_of(handle)); }

} // namespace fused_bear_loss
