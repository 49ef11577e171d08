// What the addon exports. lib/native/binding.ts holds the types of all of it, and is its only caller.
#pragma once

#include <napi.h>

namespace fused_bear_loss {

Napi::Object initialize_addon(Napi::Env env, Napi::Object exports);

} // namespace fused_bear_loss
