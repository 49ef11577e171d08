#include "native/binding/loss_call.h"

#include <cmath>
#include <string>

#include "native/core/dtype.h"
#include "native/core/option_names.h"

namespace fused_bear_loss {
namespace {

Napi::Error malformed(const Napi::Env& env, const std::string& what) {
  return Napi::Error::New(env, "fused-bear-loss: malformed call of the addon: " + what);
}

struct View {
  void* data = nullptr;
  std::size_t length = 0;
  napi_typedarray_type type = napi_uint8_array;
  bool present = false;
};

// Undefined gives a view that is not present. The plain C function, as Napi::TypedArray insists on an ArrayBuffer,
// which a shared one is not.
View read_view(const Napi::Object& fields, const char* name) {
  const Napi::Value value = fields.Get(name);
  if (value.IsUndefined()) return {};
  View view;
  view.present = true;
  const napi_status status =
      napi_get_typedarray_info(fields.Env(), value, &view.type, &view.length, &view.data, nullptr, nullptr);
  if (status != napi_ok) throw malformed(fields.Env(), std::string(name) + " is no typed array");
  return view;
}

template <class T>
constexpr napi_typedarray_type kArrayType = napi_uint8_array;
template <>
constexpr napi_typedarray_type kArrayType<float> = napi_float32_array;
template <>
constexpr napi_typedarray_type kArrayType<std::int32_t> = napi_int32_array;
template <>
constexpr napi_typedarray_type kArrayType<std::uint32_t> = napi_uint32_array;

void check_view(const Napi::Env& env, const char* name, const View& view, napi_typedarray_type type,
                std::size_t length) {
  if (view.type != type) throw malformed(env, std::string(name) + " has another element type");
  if (view.length < length) throw malformed(env, std::string(name) + " is too short");
}

// Null where the field is undefined.
template <class T>
T* read_array(const Napi::Object& fields, const char* name, std::size_t length) {
  const View view = read_view(fields, name);
  if (!view.present) return nullptr;
  check_view(fields.Env(), name, view, kArrayType<T>, length);
  return static_cast<T*>(view.data);
}

double read_number(const Napi::Object& fields, const char* name) {
  const Napi::Value value = fields.Get(name);
  if (!value.IsNumber()) throw malformed(fields.Env(), std::string(name) + " is no number");
  return value.As<Napi::Number>().DoubleValue();
}

std::int64_t read_integer(const Napi::Object& fields, const char* name, double least, double most) {
  const double value = read_number(fields, name);
  if (!(value >= least && value <= most) || std::trunc(value) != value) {
    throw malformed(fields.Env(), std::string(name) + " is out of range");
  }
  return static_cast<std::int64_t>(value);
}

constexpr double kLargestSafeInteger = 9007199254740991.0; // of a double
constexpr double kLargestInt32 = 2147483647.0;
constexpr double kLeastInt32 = -2147483648.0;

// An enumerator by its position in the table of its names.
template <class Enum, std::size_t kCount>
Enum read_enumerator(const Napi::Object& fields, const char* name, const char* const (&)[kCount]) {
  return static_cast<Enum>(read_integer(fields, name, 0, static_cast<double>(kCount - 1)));
}

napi_typedarray_type logits_array_type(DType dtype) {
  return dtype == DType::kFloat32 ? napi_float32_array : napi_uint16_array;
}

// Elements from the start of the first row to the end of the last; `rows` and `stride` come from JavaScript's integers,
// below 2^53, and their product is known to be one.
std::size_t spanned_elements(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return rows == 0 ? 0 : static_cast<std::size_t>((rows - 1) * stride + columns);
}

void check_product(const Napi::Env& env, const char* name, std::int64_t rows, std::int64_t stride) {
  if (static_cast<double>(rows) * static_cast<double>(stride) > kLargestSafeInteger) {
    throw malformed(env, std::string(name) + " holds more elements than an index can count");
  }
}

void read_shape(const Napi::Object& fields, LossProblem& problem) {
  problem.rows = read_integer(fields, "rows", 0, kLargestSafeInteger);
  problem.vocab_size = read_integer(fields, "vocabSize", 1, kLargestSafeInteger);
  problem.row_stride = read_integer(fields, "rowStride", static_cast<double>(problem.vocab_size), kLargestSafeInteger);
  check_product(fields.Env(), "logits", problem.rows, problem.row_stride);
}

void read_options(const Napi::Object& fields, LossProblem& problem) {
  problem.dtype = read_enumerator<DType>(fields, "dtype", kDTypeNames);
  problem.penalty = read_enumerator<Penalty>(fields, "penalty", kPenaltyNames);
  problem.threshold_gradient = read_enumerator<ThresholdGradient>(fields, "thresholdGradient", kThresholdGradientNames);
  problem.reduction = read_enumerator<Reduction>(fields, "reduction", kReductionNames);
  problem.gradient = read_enumerator<GradientMode>(fields, "gradient", kGradientModeNames);
  problem.beam_width = read_integer(fields, "beamWidth", 1, kLargestSafeInteger);
  problem.ignore_index = static_cast<std::int32_t>(read_integer(fields, "ignoreIndex", kLeastInt32, kLargestInt32));
  problem.threads = static_cast<std::int32_t>(read_integer(fields, "threads", 0, kLargestInt32));
  problem.lambda = read_number(fields, "lambda");
  problem.xi = read_number(fields, "xi");
  problem.margin = read_number(fields, "margin");
  problem.temperature = read_number(fields, "temperature");
  problem.softcap = read_number(fields, "softcap");
  problem.label_smoothing = read_number(fields, "labelSmoothing");
  problem.z_loss = read_number(fields, "zLoss");
  problem.normalizer = read_number(fields, "normalizer");
  problem.grad_output = read_number(fields, "gradOutput");
  problem.pruning_statistics = fields.Get("pruningStatistics").ToBoolean();
}

void read_inputs(const Napi::Object& fields, LossCall& call) {
  LossProblem& problem = call.problem;
  const auto rows = static_cast<std::size_t>(problem.rows);
  const View logits = read_view(fields, "logits");
  check_view(fields.Env(), "logits", logits, logits_array_type(problem.dtype),
             spanned_elements(problem.rows, problem.vocab_size, problem.row_stride));
  problem.logits = logits.data;
  problem.targets = read_array<std::int32_t>(fields, "targets", rows);
  if (rows > 0 && problem.targets == nullptr) throw malformed(fields.Env(), "targets are missing");
  problem.token_weights = read_array<float>(fields, "tokenWeights", rows);
  problem.penalty_weights = read_array<float>(fields, "penaltyWeights", rows);
  problem.grad_output_rows = read_array<float>(fields, "gradOutputRows", rows);
}

void read_constraint(const Napi::Object& fields, LossCall& call) {
  LossProblem& problem = call.problem;
  problem.allowed_offsets =
      read_array<std::int32_t>(fields, "allowedOffsets", static_cast<std::size_t>(problem.rows) + 1);
  if (problem.allowed_offsets != nullptr) {
    problem.allowed_tokens = read_array<std::int32_t>(fields, "allowedTokens", 0);
    call.allowed_token_count = static_cast<std::int64_t>(read_view(fields, "allowedTokens").length);
  }
  const auto words = static_cast<std::size_t>(problem.rows * bitmask_words(problem.vocab_size));
  problem.allowed_bitmask = read_array<std::uint32_t>(fields, "allowedBitmask", words);
}

struct Span {
  const char* name;
  const void* start;
  std::size_t bytes;
};

bool overlap(const Span& a, const Span& b) {
  if (a.start == nullptr || b.start == nullptr || a.bytes == 0 || b.bytes == 0) return false;
  const auto a_start = reinterpret_cast<std::uintptr_t>(a.start);
  const auto b_start = reinterpret_cast<std::uintptr_t>(b.start);
  return a_start < b_start + b.bytes && b_start < a_start + a.bytes;
}

// Stride and start are the same, so each gradient row lies on its logits.
bool is_exactly_in_place(const LossProblem& problem, const LossOutputs& outputs) {
  return outputs.grad_logits == problem.logits && (outputs.grad_row_stride == problem.row_stride || problem.rows <= 1);
}

} // namespace

std::size_t current_gradient_length(const Napi::Object& fields) { return read_view(fields, "gradLogits").length; }

LossOutputs read_outputs(const Napi::Object& fields, const LossProblem& problem, std::size_t& gradient_length) {
  const auto rows = static_cast<std::size_t>(problem.rows);
  LossOutputs outputs;
  gradient_length = 0;
  if (problem.gradient != GradientMode::kNone) {
    outputs.grad_row_stride =
        read_integer(fields, "gradRowStride", static_cast<double>(problem.vocab_size), kLargestSafeInteger);
    check_product(fields.Env(), "gradLogits", problem.rows, outputs.grad_row_stride);
    const View gradient = read_view(fields, "gradLogits");
    check_view(fields.Env(), "gradLogits", gradient, logits_array_type(problem.dtype),
               spanned_elements(problem.rows, problem.vocab_size, outputs.grad_row_stride));
    outputs.grad_logits = gradient.data;
    gradient_length = gradient.length;
  }
  outputs.row_losses = read_array<float>(fields, "rowLosses", rows);
  outputs.nll = read_array<float>(fields, "nll", rows);
  outputs.log_sum_exp = read_array<float>(fields, "logSumExp", rows);
  outputs.threshold = read_array<float>(fields, "threshold", rows);
  outputs.margin = read_array<float>(fields, "margins", rows);
  outputs.penalty = read_array<float>(fields, "penalties", rows);
  outputs.rank = read_array<std::int32_t>(fields, "rank", rows);
  return outputs;
}

LossCall read_loss_call(const Napi::Object& fields) {
  LossCall call;
  call.device = static_cast<std::int32_t>(read_integer(fields, "device", LossCall::kCpuDevice, kLargestInt32));
  read_shape(fields, call.problem);
  read_options(fields, call.problem);
  read_inputs(fields, call);
  read_constraint(fields, call);
  call.outputs = read_outputs(fields, call.problem, call.gradient_length);
  return call;
}

const char* settle_overlap(LossCall& call) {
  LossProblem& problem = call.problem;
  const LossOutputs& outputs = call.outputs;
  if (problem.gradient == GradientMode::kNone) return nullptr;
  const auto element = static_cast<std::size_t>(element_size(problem.dtype));
  const auto rows = static_cast<std::size_t>(problem.rows);
  const Span gradient = {"gradLogits", outputs.grad_logits,
                         element * spanned_elements(problem.rows, problem.vocab_size, outputs.grad_row_stride)};
  const Span logits = {"logits", problem.logits,
                       element * spanned_elements(problem.rows, problem.vocab_size, problem.row_stride)};
  if (is_exactly_in_place(problem, outputs)) {
    if (problem.gradient == GradientMode::kOutOfPlace) problem.gradient = GradientMode::kInPlace;
  } else if (problem.gradient != GradientMode::kOutOfPlace || overlap(gradient, logits)) {
    return logits.name;
  }
  // A gradient written over targets or allowed ids would turn checked indices into wild ones.
  const Span inputs[] = {
      {"targets", problem.targets, rows * sizeof(std::int32_t)},
      {"tokenWeights", problem.token_weights, rows * sizeof(float)},
      {"penaltyWeights", problem.penalty_weights, rows * sizeof(float)},
      {"gradOutput", problem.grad_output_rows, rows * sizeof(float)},
      {"allowed.offsets", problem.allowed_offsets, (rows + 1) * sizeof(std::int32_t)},
      {"allowed.tokens", problem.allowed_tokens,
       static_cast<std::size_t>(call.allowed_token_count) * sizeof(std::int32_t)},
      {"allowed.bitmask", problem.allowed_bitmask,
       rows * static_cast<std::size_t>(bitmask_words(problem.vocab_size)) * sizeof(std::uint32_t)},
  };
  for (const Span& input : inputs) {
    if (overlap(gradient, input)) return input.name;
  }
  return nullptr;
}

} // namespace fused_bear_loss
