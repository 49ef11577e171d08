#include "native/binding/linear_call.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "native/binding/background_calls.h"
#include "native/binding/cancellable_call.h"
#include "native/binding/linear_job.h"
#include "native/binding/loss_call.h"
#include "native/binding/loss_outcome.h"
#include "native/binding/reused_memory.h"
#include "native/binding/typed_views.h"
#include "native/core/backend.h"
#include "native/core/call_fields.h"
#include "native/core/dtype.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss {
namespace {

class LinearArrays {
 public:
  explicit LinearArrays(const Napi::Array& list) : list_(list) {}

  Napi::Env env() const { return list_.Env(); }

  View view(LinearArray array) const {
    const auto place = static_cast<std::uint32_t>(array);
    return optional_view_of(env(), list_.Get(place), kLinearArrayNames[place]);
  }

  // Null where the array is undefined.
  void* data(LinearArray array, napi_typedarray_type type, std::int64_t length) const {
    const View found = view(array);
    const char* const name = kLinearArrayNames[static_cast<std::size_t>(array)];
    if (found.present) check_view(env(), name, found, type, static_cast<std::size_t>(length));
    return found.data;
  }

  float* floats(LinearArray array, std::int64_t length) const {
    return static_cast<float*>(data(array, napi_float32_array, length));
  }

 private:
  Napi::Array list_;
};

void read_linear_numbers(const Napi::Value& array, LinearCall& call) {
  LinearProblem& problem = call.problem;
  const Numbers<int> numbers(array, kLinearNumberNames, std::size(kLinearNumberNames));
  problem.hidden_size = numbers.integer(0, 1, kLargestSafeInteger);
  problem.operand_dtype = numbers.enumerator<DType>(1, kDTypeNames);
  problem.accumulate = numbers.integer(2, 0, 1) != 0;
  call.outputs.weight_is_zero = numbers.integer(3, 0, 1) != 0;
  call.workspace_floats = numbers.integer(4, 0, kLargestSafeInteger) / static_cast<std::int64_t>(sizeof(float));
  const Napi::Env env = array.Env();
  if (problem.operand_dtype == DType::kFloat16) throw malformed(env, "float16 factors");
  check_product(env, "hidden", problem.rows, problem.hidden_size);
  check_product(env, "weight", problem.vocab_size, problem.hidden_size);
}

void read_linear_inputs(const LinearArrays& arrays, LinearProblem& problem) {
  const napi_typedarray_type type = logits_array_type(problem.operand_dtype);
  problem.hidden = arrays.data(LinearArray::kHidden, type, problem.rows * problem.hidden_size);
  problem.weight = arrays.data(LinearArray::kWeight, type, problem.vocab_size * problem.hidden_size);
  problem.bias = arrays.floats(LinearArray::kBias, problem.vocab_size);
  if ((problem.rows > 0 && problem.hidden == nullptr) || problem.weight == nullptr) {
    throw malformed(arrays.env(), "a factor is missing");
  }
}

// Not those of the rows.
void read_gradients(const LinearArrays& arrays, const LinearProblem& problem, std::int64_t entries,
                    LinearOutputs& outputs) {
  const napi_typedarray_type type = logits_array_type(problem.operand_dtype);
  outputs.grad_hidden = arrays.data(LinearArray::kGradHidden, type, problem.rows * problem.hidden_size);
  outputs.grad_weight = arrays.floats(LinearArray::kGradWeight, outputs.weight_rows * problem.hidden_size);
  outputs.grad_bias = arrays.floats(LinearArray::kGradBias, problem.vocab_size);
  outputs.grad_allowed_bias = arrays.floats(LinearArray::kGradAllowedBias, entries);
}

// Which rows the gradient of the weight has.
void read_weight_tokens(const LinearArrays& arrays, const LinearProblem& problem, LinearOutputs& outputs) {
  const View tokens = arrays.view(LinearArray::kWeightTokens);
  outputs.weight_rows = problem.vocab_size;
  if (!tokens.present) return;
  check_view(arrays.env(), "weightTokens", tokens, napi_int32_array, 0);
  if (problem.allowed_offsets == nullptr) throw malformed(arrays.env(), "a sparse gradient without lists");
  outputs.weight_is_sparse = true;
  outputs.weight_tokens = static_cast<const std::int32_t*>(tokens.data);
  outputs.weight_rows = static_cast<std::int64_t>(tokens.length);
}

// Whether each listed token has a row, and rows ascend: what is written to a row that is not there would go anywhere.
bool has_all_tokens(const LinearOutputs& outputs, const LinearProblem& problem, std::int64_t entries) {
  if (!outputs.weight_is_sparse) return true;
  std::vector<bool> has_row(static_cast<std::size_t>(problem.vocab_size));
  std::int32_t last = -1;
  for (std::int64_t row = 0; row < outputs.weight_rows; ++row) {
    const std::int32_t token = outputs.weight_tokens[row];
    if (token <= last || token >= problem.vocab_size) return false;
    has_row[static_cast<std::size_t>(token)] = true;
    last = token;
  }
  return std::all_of(problem.allowed_tokens, problem.allowed_tokens + entries,
                     [&](std::int32_t token) { return has_row[static_cast<std::size_t>(token)]; });
}

LinearCall read_linear_call(const Napi::Value& number_array, const Napi::Value& array_list,
                            const Napi::Value& linear_numbers, const Napi::Value& linear_arrays) {
  const LossCall loss = read_call_without_logits(number_array, array_list.As<Napi::Array>());
  LinearCall call;
  static_cast<LossProblem&>(call.problem) = loss.problem;
  call.outputs.rows = loss.outputs;
  call.allowed_token_count = loss.allowed_token_count;
  read_linear_numbers(linear_numbers, call);
  const LinearArrays arrays(linear_arrays.As<Napi::Array>());
  read_linear_inputs(arrays, call.problem);
  call.problem.allowed_bias = arrays.floats(LinearArray::kAllowedBias, call.allowed_token_count);
  read_weight_tokens(arrays, call.problem, call.outputs);
  read_gradients(arrays, call.problem, call.allowed_token_count, call.outputs);
  call.problem.gradient = call.outputs.has_gradient() ? GradientMode::kInPlace : GradientMode::kNone;
  return call;
}

// The name of what an output shares memory with, an input or another output; null: nothing.
const char* find_overlap(const LinearCall& call) {
  const LinearProblem& problem = call.problem;
  const auto rows = static_cast<std::size_t>(problem.rows);
  const auto tokens = static_cast<std::size_t>(problem.vocab_size);
  const auto size = static_cast<std::size_t>(problem.hidden_size);
  const auto element = static_cast<std::size_t>(element_size(problem.operand_dtype));
  const auto entries = static_cast<std::size_t>(call.allowed_token_count);
  const auto weight_rows = static_cast<std::size_t>(call.outputs.weight_rows);
  const Span spans[] = {
      {"out.gradHidden", call.outputs.grad_hidden, rows * size * element},
      {"out.gradWeight", call.outputs.grad_weight, weight_rows * size * sizeof(float)},
      {"out.gradBias", call.outputs.grad_bias, tokens * sizeof(float)},
      {"out.gradAllowedBias", call.outputs.grad_allowed_bias, entries * sizeof(float)},
      {"hidden", problem.hidden, rows * size * element},
      {"weight", problem.weight, tokens * size * element},
      {"bias", problem.bias, tokens * sizeof(float)},
      {"allowed.bias", problem.allowed_bias, entries * sizeof(float)},
      {"targets", problem.targets, rows * sizeof(std::int32_t)},
      {"tokenWeights", problem.token_weights, rows * sizeof(float)},
      {"penaltyWeights", problem.penalty_weights, rows * sizeof(float)},
      {"gradOutput", problem.grad_output_rows, rows * sizeof(float)},
      {"allowed.bitmask", problem.allowed_bitmask,
       rows * static_cast<std::size_t>(bitmask_words(problem.vocab_size)) * sizeof(std::uint32_t)},
  };
  constexpr std::size_t kOutputs = 4;
  return find_overlap(spans, kOutputs);
}

// How the call ends before anything is computed or written; an empty object where nothing is wrong.
Napi::Object refusal_of(Napi::Env env, LinearCall& call) {
  if (const char* other = find_overlap(call)) return overlap_outcome(env, other);
  const ProblemFault fault = find_fault(call.problem, call.allowed_token_count);
  if (fault.error != ProblemError::kNone) return invalid_outcome(env, fault);
  if (!has_all_tokens(call.outputs, call.problem, call.allowed_token_count)) throw malformed(env, "a missing token");
  call.workspace_floats = linear_workspace_floats(call.problem, call.workspace_floats);
  if (call.workspace_floats == 0) throw malformed(env, "a workspace without room for a row");
  return {};
}

constexpr LinearArray kGradients[] = {LinearArray::kGradHidden, LinearArray::kGradWeight, LinearArray::kGradBias,
                                      LinearArray::kGradAllowedBias};

// A job, with what JavaScript lent it. Of the arrays that the call keeps, those of the rows come first, then the
// others.
class AsyncLinear final : public CancellableCall {
 public:
  AsyncLinear(const LinearCall& call, std::int32_t lent, const Napi::Array& row_arrays, const Napi::Array& arrays,
              const Napi::Value& state, const Napi::Function& done)
      : CancellableCall(both(row_arrays, arrays), state, done),
        job_(call, lent),
        problem_(call.problem),
        entries_(call.allowed_token_count),
        weight_rows_(call.outputs.weight_rows) {}

 protected:
  ComputeStatus compute(const std::atomic<std::int32_t>* abort) override { return job_.run(abort); }
  const LossSummary& summary() const override { return job_.summary(); }

  bool write_outputs(const Napi::Array& kept) override {
    const LinearArrays arrays(kept.Get(1U).As<Napi::Array>());
    for (const LinearArray array : kGradients) {
      const View view = arrays.view(array);
      if (view.present && static_cast<std::int64_t>(view.length) != length_of(array)) return false;
    }
    std::size_t length = 0;
    LinearOutputs outputs;
    outputs.weight_rows = weight_rows_;
    outputs.rows = read_outputs(kept.Get(0U).As<Napi::Array>(), rows_alone(), problem_.vocab_size, length);
    read_gradients(arrays, problem_, entries_, outputs);
    job_.copy_outputs(outputs);
    return true;
  }

 private:
  static Napi::Array both(const Napi::Array& row_arrays, const Napi::Array& arrays) {
    Napi::Array kept = Napi::Array::New(arrays.Env(), 2);
    kept.Set(0U, row_arrays);
    kept.Set(1U, arrays);
    return kept;
  }

  std::int64_t length_of(LinearArray gradient) const {
    if (gradient == LinearArray::kGradBias) return problem_.vocab_size;
    if (gradient == LinearArray::kGradAllowedBias) return entries_;
    return (gradient == LinearArray::kGradHidden ? problem_.rows : weight_rows_) * problem_.hidden_size;
  }

  // Without the gradient of logits, which are nowhere.
  LossProblem rows_alone() const {
    LossProblem rows = problem_;
    rows.gradient = GradientMode::kNone;
    return rows;
  }

  LinearJob job_;
  // The caller's sizes; pointers are not followed any more.
  const LinearProblem problem_;
  const std::int64_t entries_;
  const std::int64_t weight_rows_;
};

} // namespace

Napi::Value linear_loss_async_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LinearCall call = read_linear_call(info[0], info[1], info[2], info[3]);
  const Napi::Object refusal = refusal_of(env, call);
  if (!refusal.IsEmpty()) return refusal;
  const std::int32_t lent = read_lent_bits(info[4], 1 << kLinearArrayCount);
  auto loss = std::make_unique<AsyncLinear>(call, lent, info[1].As<Napi::Array>(), info[3].As<Napi::Array>(), info[5],
                                            info[6].As<Napi::Function>());
  BackgroundCalls::of(env).compute(env, std::move(loss));
  return env.Undefined();
}

Napi::Value linear_loss_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LinearCall call = read_linear_call(info[0], info[1], info[2], info[3]);
  const Napi::Object refusal = refusal_of(env, call);
  if (!refusal.IsEmpty()) return refusal;
  const ReusedMemory workspace(static_cast<std::size_t>(call.workspace_floats) * sizeof(float));
  call.problem.workspace = reinterpret_cast<float*>(workspace.data());
  call.problem.workspace_floats = call.workspace_floats;
  LossSummary summary;
  const ComputeStatus status = compute_linear(call.problem, call.outputs, summary, nullptr);
  return ending_of(env, status, summary, info[4]);
}

} // namespace fused_bear_loss
