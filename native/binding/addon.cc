#include "native/binding/addon.h"

#include <memory>
#include <new>

#include "native/binding/background_calls.h"
#include "native/binding/device_exports.h"
#include "native/binding/exported_function.h"
#include "native/binding/linear_call.h"
#include "native/binding/loss_call.h"
#include "native/binding/loss_job.h"
#include "native/binding/loss_outcome.h"
#include "native/binding/part_calls.h"
#include "native/binding/top_tokens_call.h"
#include "native/core/backend.h"
#include "native/core/call_fields.h"
#include "native/core/option_names.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss {

namespace {

// Throws DeviceError where the device is not there.
const Backend& backend_of(const LossCall& call) {
  return call.device == LossCall::kCpuDevice ? cpu_backend() : cuda_backend(call.device);
}

// How the call ends before anything is computed or written; an empty object where nothing is wrong.
Napi::Object refusal_of(Napi::Env env, LossCall& call) {
  if (const char* input = settle_overlap(call)) return overlap_outcome(env, input);
  const ProblemFault fault = find_fault(call.problem, call.allowed_token_count);
  if (fault.error != ProblemError::kNone) return invalid_outcome(env, fault);
  return {};
}

// (numbers: Float64Array, arrays: (TypedArray | undefined)[], summary: Float64Array) =>
//   NativeOutcome; or undefined: it is done, every row is finite, and the summary holds what else there is to say
Napi::Value compute_loss(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LossCall call = read_loss_call(info[0], info[1].As<Napi::Array>());
  const Backend& backend = backend_of(call);
  const Napi::Object refusal = refusal_of(env, call);
  if (!refusal.IsEmpty()) return refusal;
  LossSummary summary;
  const ComputeStatus status = backend.compute(call.problem, call.outputs, summary, nullptr);
  return ending_of(env, status, summary, info[2]);
}

// (numbers, arrays, lent: number, state: Int32Array | undefined, done: (outcome: NativeOutcome) => void) =>
//   NativeOutcome, and `done` is never called; or undefined, and it will be.
Napi::Value compute_loss_async(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto arrays = info[1].As<Napi::Array>();
  LossCall call = read_loss_call(info[0], arrays);
  const Backend& backend = backend_of(call);
  const Napi::Object refusal = refusal_of(env, call);
  if (!refusal.IsEmpty()) return refusal;
  const std::int32_t lent = read_lent_bits(info[2], 4);
  auto job = std::make_unique<LossJob>(backend, call, lent, arrays, info[3], info[4].As<Napi::Function>());
  BackgroundCalls::of(env).compute(env, std::move(job));
  return env.Undefined();
}

template <std::size_t kCount>
Napi::Array names_of(Napi::Env env, const char* const (&names)[kCount], std::size_t count = kCount) {
  Napi::Array array = Napi::Array::New(env, count);
  for (std::uint32_t i = 0; i < count; ++i) array.Set(i, names[i]);
  return array;
}

Napi::Object option_names(Napi::Env env) {
  Napi::Object names = Napi::Object::New(env);
  names.Set("dtype", names_of(env, kDTypeNames));
  names.Set("penalty", names_of(env, kPenaltyNames));
  names.Set("reduction", names_of(env, kReductionNames));
  names.Set("thresholdGradient", names_of(env, kThresholdGradientNames));
  names.Set("gradient", names_of(env, kGradientModeNames));
  return names;
}

Napi::Object call_fields(Napi::Env env) {
  Napi::Object fields = Napi::Object::New(env);
  Napi::Array numbers = names_of(env, kNumberFieldNames);
  for (const NumberOption& option : kNumberOptions) numbers.Set(numbers.Length(), option.name);
  fields.Set("numbers", numbers);
  fields.Set("arrays", names_of(env, kArrayFieldNames));
  fields.Set("summary", names_of(env, kSummaryFieldNames));
  fields.Set("topTokensNumbers", names_of(env, kTopTokensNumberNames));
  fields.Set("linearNumbers", names_of(env, kLinearNumberNames));
  fields.Set("linearArrays", names_of(env, kLinearArrayNames));
  return fields;
}

// () => {instructionSet, instructionSets, overrideError, tuning, tuningError}
Napi::Value cpu_info_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const CpuInfo cpu = cpu_info();
  Napi::Object result = Napi::Object::New(env);
  result.Set("instructionSet", cpu.instruction_set);
  result.Set("instructionSets", names_of(env, cpu.instruction_sets, cpu.instruction_set_count));
  result.Set("overrideError", cpu.override_error);
  result.Set("tuning", cpu.tuning);
  result.Set("tuningError", cpu.tuning_error);
  return result;
}

// () => {built, available, reason, devices: [{index, name, computeCapability, memoryBytes}]}, or NativeOutOfMemory
Napi::Value cuda_info_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const CudaInfo cuda = cuda_info();
  Napi::Object result = Napi::Object::New(env);
  result.Set("built", cuda.built);
  result.Set("available", cuda.available);
  result.Set("reason", cuda.reason);
  Napi::Array devices = Napi::Array::New(env, cuda.devices.size());
  for (std::uint32_t i = 0; i < cuda.devices.size(); ++i) {
    Napi::Object device = Napi::Object::New(env);
    device.Set("index", cuda.devices[i].index);
    device.Set("name", cuda.devices[i].name);
    device.Set("computeCapability", cuda.devices[i].compute_capability);
    device.Set("memoryBytes", static_cast<double>(cuda.devices[i].memory_bytes));
    devices.Set(i, device);
  }
  result.Set("devices", devices);
  return result;
}

// There are no outcomes yet that lib/ could put into words.
[[noreturn]] void throw_out_of_memory(Napi::Env env) {
  Napi::Error error = Napi::RangeError::New(env, "fused-bear-loss: no memory to load the addon");
  error.Set("code", "ERR_BEAR_OUT_OF_MEMORY");
  throw error;
}

} // namespace

Napi::Object initialize_addon(Napi::Env env, Napi::Object exports) {
  auto calls = std::unique_ptr<BackgroundCalls>(new (std::nothrow) BackgroundCalls);
  if (calls == nullptr) throw_out_of_memory(env);
  env.SetInstanceData(calls.release());
  export_function<compute_loss>(exports, "computeLoss");
  export_function<compute_loss_async>(exports, "computeLossAsync");
  export_function<top_tokens_from_js>(exports, "topTokens");
  export_function<linear_top_tokens_from_js>(exports, "linearTopTokens");
  export_function<partials_from_js>(exports, "partials");
  export_function<part_gradient_from_js>(exports, "partGradient");
  export_function<linear_loss_from_js>(exports, "linearLoss");
  export_function<linear_loss_async_from_js>(exports, "linearLossAsync");
  export_function<cpu_info_from_js>(exports, "cpuInfo");
  export_function<cuda_info_from_js>(exports, "cudaInfo");
  exports.Set("optionNames", option_names(env));
  exports.Set("deviceErrorKinds", names_of(env, kDeviceErrorNames));
  exports.Set("callFields", call_fields(env));
  add_device_exports(env, exports);
  return exports;
}

} // namespace fused_bear_loss
