// What tests reach the emulator through. test/support/emulator.ts holds the types of all of it.
#pragma once

#include <napi.h>

namespace simt {

Napi::Object emulator_object(Napi::Env env);

} // namespace simt
