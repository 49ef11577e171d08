// The benchmarks' own addon, never shipped: the memory floors, and the loss called without any JavaScript around it, on
// the very buffers that the TypeScript call gets. Both return the milliseconds that they measured themselves.
#include <napi.h>
#include <cstdint>
#include <string>

#include "benchmarks/native/floor_runner.h"
#include "benchmarks/native/stopwatch.h"
#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/core/option_names.h"
#include "native/cpu/tuning.h"

namespace fused_bear_loss {
namespace {

struct Bytes {
  std::uint8_t* data;
  std::size_t size;
};

Bytes bytes_of(const Napi::Object& fields, const char* name) {
  const Napi::Value value = fields.Get(name);
  if (!value.IsTypedArray()) throw Napi::TypeError::New(fields.Env(), std::string(name) + " must be a typed array");
  const auto array = value.As<Napi::TypedArray>();
  return {static_cast<std::uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

std::int64_t integer_of(const Napi::Object& fields, const char* name) {
  return fields.Get(name).ToNumber().Int64Value();
}

void require_size(const Napi::Env& env, const char* name, std::size_t size, std::size_t needed) {
  if (size < needed) throw Napi::RangeError::New(env, std::string(name) + " is too short");
}

// The position of fields[name] among `names`.
template <class Enum, std::size_t kCount>
Enum named(const Napi::Object& fields, const char* name, const char* const (&names)[kCount]) {
  const std::string given = fields.Get(name).ToString();
  for (std::size_t i = 0; i < kCount; ++i) {
    if (given == names[i]) return static_cast<Enum>(i);
  }
  throw Napi::TypeError::New(fields.Env(), std::string("unknown ") + name + ": " + given);
}

constexpr const char* kFloorOperationNames[] = {"read", "write", "in-place"};
constexpr const char* kFloorVariantNames[] = {"plain", "prefetch"};

// ({operation, variant, values, output?, factor, threads}) => milliseconds
Napi::Value run_floor_from_js(const Napi::CallbackInfo& info) {
  const auto fields = info[0].As<Napi::Object>();
  const Bytes values = bytes_of(fields, "values");
  FloorRun run;
  run.operation = named<FloorOperation>(fields, "operation", kFloorOperationNames);
  run.variant = named<FloorVariant>(fields, "variant", kFloorVariantNames);
  run.values = reinterpret_cast<float*>(values.data);
  run.count = values.size / sizeof(float);
  run.factor = fields.Get("factor").ToNumber();
  run.threads = static_cast<std::int32_t>(integer_of(fields, "threads"));
  if (run.operation == FloorOperation::kWrite) {
    const Bytes output = bytes_of(fields, "output");
    require_size(info.Env(), "output", output.size, values.size);
    run.output = reinterpret_cast<float*>(output.data);
  }
  return Napi::Number::New(info.Env(), run_floor(run));
}

// ({logits, targets, gradLogits?, rows, vocabSize, dtype, penalty, lambda, beamWidth, gradient, pruningStatistics,
// threads}) => {milliseconds, loss}
Napi::Value run_loss_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fields = info[0].As<Napi::Object>();
  const Bytes logits = bytes_of(fields, "logits");
  const Bytes targets = bytes_of(fields, "targets");
  LossProblem problem;
  problem.rows = integer_of(fields, "rows");
  problem.vocab_size = problem.row_stride = integer_of(fields, "vocabSize");
  problem.dtype = named<DType>(fields, "dtype", kDTypeNames);
  problem.penalty = named<Penalty>(fields, "penalty", kPenaltyNames);
  problem.gradient = named<GradientMode>(fields, "gradient", kGradientModeNames);
  problem.lambda = fields.Get("lambda").ToNumber();
  problem.beam_width = integer_of(fields, "beamWidth");
  problem.pruning_statistics = fields.Get("pruningStatistics").ToBoolean();
  problem.threads = static_cast<std::int32_t>(integer_of(fields, "threads"));
  problem.logits = logits.data;
  problem.targets = reinterpret_cast<const std::int32_t*>(targets.data);
  const auto size = static_cast<std::size_t>(problem.rows * problem.vocab_size * element_size(problem.dtype));
  require_size(env, "logits", logits.size, size);
  require_size(env, "targets", targets.size, static_cast<std::size_t>(problem.rows) * sizeof(std::int32_t));

  LossOutputs outputs;
  outputs.grad_row_stride = problem.row_stride;
  if (problem.gradient == GradientMode::kInPlace) outputs.grad_logits = logits.data;
  if (problem.gradient == GradientMode::kOutOfPlace) {
    const Bytes gradient = bytes_of(fields, "gradLogits");
    require_size(env, "gradLogits", gradient.size, size);
    outputs.grad_logits = gradient.data;
  }

  LossSummary summary;
  const Stopwatch stopwatch;
  const ComputeStatus status = cpu_backend().compute(problem, outputs, summary, nullptr);
  const double milliseconds = stopwatch.milliseconds();
  if (status != ComputeStatus::kOk) throw Napi::Error::New(env, "the loss did not finish");

  Napi::Object result = Napi::Object::New(env);
  result.Set("milliseconds", milliseconds);
  result.Set("loss", summary.loss);
  return result;
}

// () => {instructionSet, tuning, family}
Napi::Value kernel_info(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("instructionSet", cpu_info().instruction_set);
  result.Set("tuning", cpu_info().tuning);
  result.Set("family", processor_family());
  return result;
}

// (text) => undefined
Napi::Value force_tuning_from_js(const Napi::CallbackInfo& info) {
  const std::string text = info[0].As<Napi::String>();
  const std::string error = force_tuning(text.c_str());
  if (!error.empty()) throw Napi::Error::New(info.Env(), error);
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("runFloor", Napi::Function::New(env, run_floor_from_js));
  exports.Set("runLoss", Napi::Function::New(env, run_loss_from_js));
  exports.Set("kernelInfo", Napi::Function::New(env, kernel_info));
  exports.Set("forceTuning", Napi::Function::New(env, force_tuning_from_js));
  return exports;
}

} // namespace
} // namespace fused_bear_loss

static Napi::Object initialize_addon(Napi::Env env, Napi::Object exports) {
  return fused_bear_loss::initialize(env, exports);
}
NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialize_addon)
