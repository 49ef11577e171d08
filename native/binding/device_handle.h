// What JavaScript holds of a device: memory, streams and calls that are under way, as externals whose last reference,
// or whose release, gives them back.
#pragma once

#include <napi.h>

#include <memory>
#include <variant>

#include "native/binding/typed_views.h"
#include "native/core/device_api.h"

namespace fused_bear_loss {

using DeviceHandle =
    std::variant<std::shared_ptr<DeviceStorage>, std::shared_ptr<DeviceStream>, std::shared_ptr<EnqueuedLoss>>;

Napi::Value wrap_handle(Napi::Env env, DeviceHandle contents);

// Throws a Napi::Error where the value is no handle: a mistake of this package.
DeviceHandle& handle_of(const Napi::Value& value);

// As handle_of(); also throws where the handle holds something else, or has been released.
template <class T>
const std::shared_ptr<T>& held(const Napi::Value& handle) {
  const auto* const contents = std::get_if<std::shared_ptr<T>>(&handle_of(handle));
  if (contents != nullptr && *contents != nullptr) return *contents;
  throw malformed(handle.Env(), "a handle that holds something else");
}

// Gives back what it holds. Without effect on one that has been released.
void release_handle(const Napi::Value& handle);

} // namespace fused_bear_loss
