#include "test/faults/allocations/allocator_object.h"

#include "native/binding/exported_function.h"
#include "test/faults/allocations/failing_allocator.h"

namespace faults {
namespace {

Napi::Value arm_from_js(const Napi::CallbackInfo& info) {
  arm(info[0].As<Napi::Number>().Int64Value(), info[1].ToBoolean() ? Failing::kAllFrom : Failing::kOne);
  return info.Env().Undefined();
}

Napi::Value disarm_from_js(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(disarm()));
}

Napi::Value counted_from_js(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(counted_allocations()));
}

Napi::Value live_from_js(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(live_allocations()));
}

} // namespace

Napi::Object allocator_object(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
  fused_bear_loss::export_function<arm_from_js>(object, "arm");
  fused_bear_loss::export_function<disarm_from_js>(object, "disarm");
  fused_bear_loss::export_function<counted_from_js>(object, "counted");
  fused_bear_loss::export_function<live_from_js>(object, "live");
  return object;
}

} // namespace faults
