#include "native/binding/loss_call.h"

#include <iterator>
#include <string>

#include "native/binding/device_handle.h"
#include "native/binding/typed_views.h"
#include "native/core/call_fields.h"
#include "native/core/dtype.h"
#include "native/core/read_options.h"

namespace fused_bear_loss {
namespace {

const char* name_of(ArrayField field) { return kArrayFieldNames[static_cast<std::size_t>(field)]; }

// The arrays of a call, by position.
class Arrays {
 public:
  Arrays(const Napi::Array& array, DeviceStorages* storages)
      : array_(array), length_(array.Length()), storages_(storages) {}

  Napi::Env env() const { return array_.Env(); }

  // One that is not present where it is undefined.
  View view(ArrayField field) const {
    const auto index = static_cast<std::uint32_t>(field);
    if (index >= length_) return {};
    napi_value value = nullptr;
    napi_valuetype type = napi_undefined;
    if (napi_get_element(env(), array_, index, &value) != napi_ok || napi_typeof(env(), value, &type) != napi_ok) {
      throw malformed(env(), std::string(name_of(field)) + " cannot be read");
    }
    if (type == napi_undefined) return {};
    if (type != napi_external || storages_ == nullptr) return view_of(env(), value, name_of(field));
    const DeviceStorage& storage = *storages_->emplace_back(held<DeviceStorage>(Napi::Value(env(), value)));
    View view;
    view.data = storage.data();
    view.length = storage.bytes();
    view.present = true;
    view.on_device = true;
    return view;
  }

 private:
  Napi::Array array_;
  std::uint32_t length_;
  DeviceStorages* storages_;
};

// Null where the array is undefined.
template <class T>
T* read_array(const Arrays& arrays, ArrayField field, std::size_t length) {
  return typed_data<T>(arrays.env(), name_of(field), arrays.view(field), length);
}

class LossNumbers : public Numbers<NumberField> {
 public:
  explicit LossNumbers(const Napi::Value& array) : Numbers(array, kNumberFieldNames, kNumberCount) {}

  // In the order of kNumberOptions.
  const double* options() const { return values_ + kNumberFieldCount; }
};

void read_shape(const LossNumbers& numbers, LossProblem& problem) {
  problem.rows = numbers.integer(NumberField::kRows, 0, kLargestSafeInteger);
  problem.vocab_size = numbers.integer(NumberField::kVocabSize, 1, kLargestSafeInteger);
  problem.row_stride =
      numbers.integer(NumberField::kRowStride, static_cast<double>(problem.vocab_size), kLargestSafeInteger);
  check_product(numbers.env(), "logits", problem.rows, problem.row_stride);
}

std::int64_t read_gradient_stride(const LossNumbers& numbers, const LossProblem& problem) {
  const std::int64_t stride =
      numbers.integer(NumberField::kGradRowStride, static_cast<double>(problem.vocab_size), kLargestSafeInteger);
  check_product(numbers.env(), "gradLogits", problem.rows, stride);
  return stride;
}

void read_logits(const Arrays& arrays, LossProblem& problem) {
  const View logits = arrays.view(ArrayField::kLogits);
  check_view(arrays.env(), "logits", logits, logits_array_type(problem.dtype),
             spanned_elements(problem.rows, problem.vocab_size, problem.row_stride));
  problem.logits = logits.data;
}

void read_row_inputs(const Arrays& arrays, LossProblem& problem) {
  const auto rows = static_cast<std::size_t>(problem.rows);
  problem.targets = read_array<std::int32_t>(arrays, ArrayField::kTargets, rows);
  if (rows > 0 && problem.targets == nullptr) throw malformed(arrays.env(), "targets are missing");
  problem.token_weights = read_array<float>(arrays, ArrayField::kTokenWeights, rows);
  problem.penalty_weights = read_array<float>(arrays, ArrayField::kPenaltyWeights, rows);
  problem.grad_output_rows = read_array<float>(arrays, ArrayField::kGradOutputRows, rows);
}

void read_constraint(const Arrays& arrays, LossCall& call) {
  LossProblem& problem = call.problem;
  problem.allowed_offsets =
      read_array<std::int32_t>(arrays, ArrayField::kAllowedOffsets, static_cast<std::size_t>(problem.rows) + 1);
  if (problem.allowed_offsets != nullptr) {
    const View tokens = arrays.view(ArrayField::kAllowedTokens);
    check_view(arrays.env(), "allowedTokens", tokens, napi_int32_array, 0);
    problem.allowed_tokens = static_cast<const std::int32_t*>(tokens.data);
    call.allowed_token_count =
        static_cast<std::int64_t>(tokens.on_device ? tokens.length / sizeof(std::int32_t) : tokens.length);
  }
  const auto words = static_cast<std::size_t>(problem.rows * bitmask_words(problem.vocab_size));
  problem.allowed_bitmask = read_array<std::uint32_t>(arrays, ArrayField::kAllowedBitmask, words);
}

// Stride and start are the same, so each gradient row lies on its logits.
bool is_exactly_in_place(const LossProblem& problem, const LossOutputs& outputs) {
  return outputs.grad_logits == problem.logits && (outputs.grad_row_stride == problem.row_stride || problem.rows <= 1);
}

// Elements of the gradient from the first to the last that may be written.
std::size_t gradient_elements(const LossProblem& problem, std::int64_t row_stride, std::size_t allowed_tokens) {
  return problem.gradient == GradientMode::kSparse ? allowed_tokens
                                                   : spanned_elements(problem.rows, problem.vocab_size, row_stride);
}

LossOutputs outputs_of(const Arrays& arrays, const LossProblem& problem, std::int64_t grad_row_stride,
                       std::size_t& gradient_length) {
  const auto rows = static_cast<std::size_t>(problem.rows);
  LossOutputs outputs;
  gradient_length = 0;
  if (problem.gradient != GradientMode::kNone) {
    outputs.grad_row_stride = grad_row_stride;
    const View gradient = arrays.view(ArrayField::kGradLogits);
    const bool is_sparse = problem.gradient == GradientMode::kSparse;
    const std::size_t entries = is_sparse ? arrays.view(ArrayField::kAllowedTokens).length : 0;
    check_view(arrays.env(), "gradLogits", gradient, logits_array_type(problem.dtype),
               gradient_elements(problem, outputs.grad_row_stride, entries));
    outputs.grad_logits = gradient.data;
    gradient_length = gradient.length;
  }
  outputs.row_losses = read_array<float>(arrays, ArrayField::kRowLosses, rows);
  outputs.nll = read_array<float>(arrays, ArrayField::kNll, rows);
  outputs.log_sum_exp = read_array<float>(arrays, ArrayField::kLogSumExp, rows);
  outputs.threshold = read_array<float>(arrays, ArrayField::kThreshold, rows);
  outputs.margin = read_array<float>(arrays, ArrayField::kMargins, rows);
  outputs.penalty = read_array<float>(arrays, ArrayField::kPenalties, rows);
  outputs.rank = read_array<std::int32_t>(arrays, ArrayField::kRank, rows);
  return outputs;
}

LossCall read_call(const LossNumbers& numbers, const Arrays& arrays, bool has_logits) {
  LossCall call;
  call.device = static_cast<std::int32_t>(numbers.integer(NumberField::kDevice, LossCall::kCpuDevice, kLargestInt32));
  read_shape(numbers, call.problem);
  read_options(numbers, call.problem);
  if (has_logits) read_logits(arrays, call.problem);
  read_row_inputs(arrays, call.problem);
  read_constraint(arrays, call);
  call.outputs = outputs_of(arrays, call.problem, read_gradient_stride(numbers, call.problem), call.gradient_length);
  if (call.problem.gradient == GradientMode::kSparse &&
      (call.problem.allowed_offsets == nullptr || call.device != LossCall::kCpuDevice)) {
    throw malformed(arrays.env(), "a sparse gradient without lists, or on a device");
  }
  call.outputs.grad_is_new = numbers.number(NumberField::kGradIsNew) != 0;
  return call;
}

} // namespace

std::size_t current_gradient_length(const Napi::Array& arrays) {
  return Arrays(arrays, nullptr).view(ArrayField::kGradLogits).length;
}

LossOutputs read_outputs(const Napi::Array& arrays, const LossProblem& problem, std::int64_t grad_row_stride,
                         std::size_t& gradient_length) {
  return outputs_of(Arrays(arrays, nullptr), problem, grad_row_stride, gradient_length);
}

LossCall read_loss_call(const Napi::Value& number_array, const Napi::Array& array_list, DeviceStorages* storages) {
  return read_call(LossNumbers(number_array), Arrays(array_list, storages), true);
}

LossCall read_call_without_logits(const Napi::Value& number_array, const Napi::Array& array_list) {
  LossCall call = read_call(LossNumbers(number_array), Arrays(array_list, nullptr), false);
  if (call.problem.gradient != GradientMode::kNone) throw malformed(array_list.Env(), "a gradient of no logits");
  return call;
}

const char* settle_overlap(LossCall& call) {
  LossProblem& problem = call.problem;
  const LossOutputs& outputs = call.outputs;
  if (problem.gradient == GradientMode::kNone) return nullptr;
  const auto element = static_cast<std::size_t>(element_size(problem.dtype));
  const auto rows = static_cast<std::size_t>(problem.rows);
  const auto entries = static_cast<std::size_t>(call.allowed_token_count);
  const Span gradient = {"gradLogits", outputs.grad_logits,
                         element * gradient_elements(problem, outputs.grad_row_stride, entries)};
  const Span logits = {"logits", problem.logits,
                       element * spanned_elements(problem.rows, problem.vocab_size, problem.row_stride)};
  if (problem.gradient == GradientMode::kSparse) {
    if (overlap(gradient, logits)) return logits.name;
  } else if (is_exactly_in_place(problem, outputs)) {
    if (problem.gradient == GradientMode::kOutOfPlace) problem.gradient = GradientMode::kInPlace;
  } else if (problem.gradient != GradientMode::kOutOfPlace || overlap(gradient, logits)) {
    return logits.name;
  }
  // A gradient written over targets or allowed ids would turn checked indices into wild ones.
  const Span spans[] = {
      gradient,
      {"targets", problem.targets, rows * sizeof(std::int32_t)},
      {"tokenWeights", problem.token_weights, rows * sizeof(float)},
      {"penaltyWeights", problem.penalty_weights, rows * sizeof(float)},
      {"gradOutput", problem.grad_output_rows, rows * sizeof(float)},
      {"allowed.offsets", problem.allowed_offsets, (rows + 1) * sizeof(std::int32_t)},
      {"allowed.tokens", problem.allowed_tokens, entries * sizeof(std::int32_t)},
      {"allowed.bitmask", problem.allowed_bitmask,
       rows * static_cast<std::size_t>(bitmask_words(problem.vocab_size)) * sizeof(std::uint32_t)},
  };
  return find_overlap(spans, 1);
}

} // namespace fused_bear_loss
