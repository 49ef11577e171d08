// What JavaScript holds of a device: memory, streams and calls that are under way, as externals whose last reference,
// or whose release, gives them back.
#pragma once

#include <napi.h>

#include <memory>

#include "native/core/device_api.h"

namespace fused_bear_loss {

struct DeviceHandle {
  std::shared_ptr<DeviceStorage> storage;
  std::shared_ptr<DeviceStream> stream;
  std::shared_ptr<EnqueuedLoss> loss;
};

Napi::Value wrap_storage(Napi::Env env, std::shared_ptr<DeviceStorage> storage);
Napi::Value wrap_stream(Napi::Env env, std::shared_ptr<DeviceStream> stream);
Napi::Value wrap_loss(Napi::Env env, std::shared_ptr<EnqueuedLoss> loss);

// Of a handle that wrap_loss() made without one.
void set_loss(const Napi::Value& handle, std::shared_ptr<EnqueuedLoss> loss);

// These throw a Napi::Error where the value is no such handle, or has been released: mistakes of this package.
const std::shared_ptr<DeviceStorage>& storage_of(const Napi::Value& handle);
const std::shared_ptr<DeviceStream>& stream_of(const Napi::Value& handle);
const std::shared_ptr<EnqueuedLoss>& loss_of(const Napi::Value& handle);

// Gives back what the handle holds. Without effect on one that has been released.
void release_handle(const Napi::Value& handle);

} // namespace fused_bear_loss
