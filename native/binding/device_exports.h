// The addon's functions for device memory, streams, and the loss of what lies on a device. lib/native/binding.ts has
// their types.
#pragma once

#include <napi.h>

namespace fused_bear_loss {

void add_device_exports(Napi::Env env, Napi::Object exports);

} // namespace fused_bear_loss
