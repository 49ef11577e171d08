#include "native/binding/top_tokens_call.h"

#include <iterator>
#include <vector>

#include "native/binding/loss_outcome.h"
#include "native/binding/reused_memory.h"
#include "native/binding/typed_views.h"
#include "native/core/backend.h"
#include "native/core/call_fields.h"
#include "native/core/dtype.h"
#include "native/core/option_names.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss {
namespace {

struct TopTokensCall {
  TopTokensProblem problem;
  TopTokensOutputs outputs;
  std::int64_t allowed_token_count = 0;
  std::size_t logits_length = 0; // elements of the logits that are read
  LinearProblem product;         // which the logits are, where they are not given
};

void read_numbers(const Napi::Env& env, const Napi::Value& array, TopTokensProblem& problem) {
  const Numbers<int> numbers(array, kTopTokensNumberNames, std::size(kTopTokensNumberNames));
  problem.rows = numbers.integer(0, 0, kLargestSafeInteger);
  problem.vocab_size = numbers.integer(1, 1, kLargestSafeInteger);
  problem.row_stride = numbers.integer(2, static_cast<double>(problem.vocab_size), kLargestSafeInteger);
  problem.dtype = numbers.enumerator<DType>(3, kDTypeNames);
  problem.beam_width = numbers.integer(4, 1, kLargestSafeInteger);
  problem.temperature = numbers.number(5);
  problem.softcap = numbers.number(6);
  problem.listed_logits = numbers.number(7) != 0;
  problem.threads = static_cast<std::int32_t>(numbers.integer(8, 0, kLargestInt32));
  if (!problem.listed_logits) check_product(env, "logits", problem.rows, problem.row_stride);
  check_product(env, "tokens", problem.rows, problem.beam_width);
}

void read_constraint(const Napi::CallbackInfo& info, TopTokensCall& call) {
  const Napi::Env env = info.Env();
  TopTokensProblem& problem = call.problem;
  const View tokens = optional_view_of(env, info[3], "allowedTokens");
  problem.allowed_offsets =
      typed_data<std::int32_t>(env, "allowedOffsets", optional_view_of(env, info[2], "allowedOffsets"),
                               static_cast<std::size_t>(problem.rows) + 1);
  problem.allowed_tokens = typed_data<std::int32_t>(env, "allowedTokens", tokens, 0);
  call.allowed_token_count = static_cast<std::int64_t>(tokens.length);
  if ((problem.allowed_offsets != nullptr) != tokens.present) throw malformed(env, "half a list of allowed tokens");
  problem.allowed_bitmask =
      typed_data<std::uint32_t>(env, "allowedBitmask", optional_view_of(env, info[4], "allowedBitmask"),
                                static_cast<std::size_t>(problem.rows * bitmask_words(problem.vocab_size)));
}

void read_logits(const Napi::CallbackInfo& info, TopTokensCall& call) {
  TopTokensProblem& problem = call.problem;
  if (problem.listed_logits && problem.allowed_offsets == nullptr) throw malformed(info.Env(), "no list of the logits");
  call.logits_length = problem.listed_logits ? static_cast<std::size_t>(call.allowed_token_count)
                                             : spanned_elements(problem.rows, problem.vocab_size, problem.row_stride);
  const View logits = view_of(info.Env(), info[1], "logits");
  check_view(info.Env(), "logits", logits, logits_array_type(problem.dtype), call.logits_length);
  problem.logits = logits.data;
}

void read_outputs(const Napi::CallbackInfo& info, TopTokensCall& call) {
  const Napi::Env env = info.Env();
  const auto rows = static_cast<std::size_t>(call.problem.rows);
  const auto entries = static_cast<std::size_t>(call.problem.rows * call.problem.beam_width);
  call.outputs.tokens = typed_data<std::int32_t>(env, "tokens", view_of(env, info[5], "tokens"), entries);
  call.outputs.log_probabilities =
      typed_data<float>(env, "logProbabilities", view_of(env, info[6], "logProbabilities"), entries);
  call.outputs.log_sum_exp = typed_data<float>(env, "logSumExp", view_of(env, info[7], "logSumExp"), rows);
}

// (hiddenSize, workspaceBytes), and the arrays hidden, weight, bias and allowed.bias.
void read_product(const Napi::CallbackInfo& info, TopTokensCall& call) {
  const Napi::Env env = info.Env();
  LinearProblem& product = call.product;
  static_cast<LogitRows&>(product) = call.problem;
  product.operand_dtype = call.problem.dtype;
  const double* const sizes = typed_data<double>(env, "product", view_of(env, info[8], "product"), 2);
  if (!(sizes[0] >= 1 && sizes[0] <= kLargestSafeInteger && sizes[1] >= 0 && sizes[1] <= kLargestSafeInteger)) {
    throw malformed(env, "product is out of range");
  }
  product.hidden_size = static_cast<std::int64_t>(sizes[0]);
  product.workspace_floats = static_cast<std::int64_t>(sizes[1]) / std::int64_t{sizeof(float)};
  if (product.operand_dtype == DType::kFloat16) throw malformed(env, "float16 factors");
  check_product(env, "hidden", product.rows, product.hidden_size);
  check_product(env, "weight", product.vocab_size, product.hidden_size);
  const auto arrays = info[1].As<Napi::Array>();
  const auto data = [&](std::uint32_t place, const char* name, napi_typedarray_type type, std::int64_t length) {
    const View view = optional_view_of(env, arrays.Get(place), name);
    if (view.present) check_view(env, name, view, type, static_cast<std::size_t>(length));
    return view.data;
  };
  const napi_typedarray_type type = logits_array_type(product.operand_dtype);
  product.hidden = data(0, "hidden", type, product.rows * product.hidden_size);
  product.weight = data(1, "weight", type, product.vocab_size * product.hidden_size);
  product.bias = static_cast<const float*>(data(2, "bias", napi_float32_array, product.vocab_size));
  product.allowed_bias =
      static_cast<const float*>(data(3, "allowedBias", napi_float32_array, call.allowed_token_count));
  if ((product.rows > 0 && product.hidden == nullptr) || product.weight == nullptr) {
    throw malformed(env, "a factor is missing");
  }
}

// The name of what an output shares memory with, an input or another output; null: nothing.
const char* find_overlap(const TopTokensCall& call) {
  const TopTokensProblem& problem = call.problem;
  const LinearProblem& product = call.product;
  const auto rows = static_cast<std::size_t>(problem.rows);
  const auto factor_row = static_cast<std::size_t>(product.hidden_size * element_size(product.operand_dtype));
  const auto entries = rows * static_cast<std::size_t>(problem.beam_width);
  const Span spans[] = {
      {"out.tokens", call.outputs.tokens, entries * sizeof(std::int32_t)},
      {"out.logProbabilities", call.outputs.log_probabilities, entries * sizeof(float)},
      {"out.logSumExp", call.outputs.log_sum_exp, rows * sizeof(float)},
      {"logits", problem.logits, call.logits_length * static_cast<std::size_t>(element_size(problem.dtype))},
      {"allowed.offsets", problem.allowed_offsets, (rows + 1) * sizeof(std::int32_t)},
      {"allowed.tokens", problem.allowed_tokens,
       static_cast<std::size_t>(call.allowed_token_count) * sizeof(std::int32_t)},
      {"allowed.bitmask", problem.allowed_bitmask,
       rows * static_cast<std::size_t>(bitmask_words(problem.vocab_size)) * sizeof(std::uint32_t)},
      {"hidden", product.hidden, rows * factor_row},
      {"weight", product.weight, static_cast<std::size_t>(problem.vocab_size) * factor_row},
      {"bias", product.bias, static_cast<std::size_t>(problem.vocab_size) * sizeof(float)},
      {"allowed.bias", product.allowed_bias, static_cast<std::size_t>(call.allowed_token_count) * sizeof(float)},
  };
  constexpr std::size_t kOutputs = 3;
  return find_overlap(spans, kOutputs);
}

// How the call ends before anything is computed or written; an empty object where nothing is wrong.
Napi::Object refusal_of(Napi::Env env, const TopTokensCall& call) {
  if (const char* other = find_overlap(call)) return overlap_outcome(env, other);
  const ProblemFault fault = find_constraint_fault(call.problem, call.allowed_token_count);
  return fault.error == ProblemError::kNone ? Napi::Object() : invalid_outcome(env, fault);
}

Napi::Value result_of(Napi::Env env, ComputeStatus status) {
  return status == ComputeStatus::kOk ? env.Undefined() : outcome_of(env, status, {});
}

ComputeStatus compute_product(TopTokensCall& call) {
  LinearProblem& product = call.product;
  // Of rows none is ignored.
  const std::vector<std::int32_t> targets(static_cast<std::size_t>(product.rows));
  product.targets = targets.data();
  product.ignore_index = -1;
  const ReusedMemory workspace(static_cast<std::size_t>(product.workspace_floats) * sizeof(float));
  product.workspace = reinterpret_cast<float*>(workspace.data());
  return compute_linear_top_tokens(product, call.outputs);
}

// `read_source` reads what the rows come from. As refusal_of().
Napi::Object read_call(const Napi::CallbackInfo& info, void (*read_source)(const Napi::CallbackInfo&, TopTokensCall&),
                       TopTokensCall& call) {
  read_numbers(info.Env(), info[0], call.problem);
  read_constraint(info, call);
  read_source(info, call);
  read_outputs(info, call);
  return refusal_of(info.Env(), call);
}

} // namespace

Napi::Value top_tokens_from_js(const Napi::CallbackInfo& info) {
  TopTokensCall call;
  const Napi::Object refusal = read_call(info, read_logits, call);
  if (!refusal.IsEmpty()) return refusal;
  return result_of(info.Env(), compute_top_tokens(call.problem, call.outputs));
}

Napi::Value linear_top_tokens_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  TopTokensCall call;
  const Napi::Object refusal = read_call(info, read_product, call);
  if (!refusal.IsEmpty()) return refusal;
  if (call.problem.rows == 0) return env.Undefined();
  call.product.workspace_floats = linear_workspace_floats(call.product, call.product.workspace_floats);
  if (call.product.workspace_floats == 0) throw malformed(env, "a workspace without room for a row");
  return result_of(env, compute_product(call));
}

} // namespace fused_bear_loss
