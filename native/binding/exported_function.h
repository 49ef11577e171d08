// The one boundary between the addon's C++ and JavaScript: no exception passes it but as a value or an error of
// JavaScript's.
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <stdexcept>

#include "native/binding/loss_outcome.h"
#include "native/core/device_error.h"

namespace fused_bear_loss {

// What `make_value()` gives, or the outcome (NativeOutcome in lib/native/binding.ts) that stands for what it throws:
// the device's error, or that there is no memory. Only a Napi::Error leaves it.
template <class MakeValue>
Napi::Value value_or_outcome(Napi::Env env, const MakeValue& make_value) {
  try {
    return make_value();
  } catch (const DeviceError& error) {
    return device_error_outcome(env, error);
  } catch (const std::bad_alloc&) {
    return plain_outcome(env, "out-of-memory");
  } catch (const std::length_error&) { // more than a container can hold
    return plain_outcome(env, "out-of-memory");
  }
}

// As Node-API calls it. Not Napi::Function::New, which allocates what it passes the arguments in outside of any `try`.
template <Napi::Value (*kFunction)(const Napi::CallbackInfo&)>
napi_value exported(napi_env env, napi_callback_info raw_info) noexcept {
  try {
    return value_or_outcome(env, [&]() -> Napi::Value { return kFunction(Napi::CallbackInfo(env, raw_info)); });
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  }
  return nullptr;
}

template <Napi::Value (*kFunction)(const Napi::CallbackInfo&)>
void export_function(Napi::Object exports, const char* name) {
  const Napi::Env env = exports.Env();
  napi_value function = nullptr;
  const napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, exported<kFunction>, nullptr, &function);
  if (status != napi_ok) throw Napi::Error::New(env);
  exports.Set(name, function);
}

} // namespace fused_bear_loss
