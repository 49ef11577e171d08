#include "native/binding/part_calls.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "native/binding/loss_call.h"
#include "native/binding/loss_outcome.h"
#include "native/binding/typed_views.h"
#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/core/validate_problem.h"
#include "native/core/vocabulary_part.h"

namespace fused_bear_loss {
namespace {

VocabularyPart read_part(const Napi::Value& value, const LossProblem& problem) {
  const Napi::Env env = value.Env();
  const double* const numbers = typed_data<double>(env, "part", view_of(env, value, "part"), 2);
  const auto size = static_cast<double>(problem.vocab_size);
  const auto is_within = [](double x, double most) { return x >= 0 && x <= most && std::trunc(x) == x; };
  // Ids are 32-bit integers.
  if (!is_within(numbers[1], kLargestInt32 + 1) || !is_within(numbers[0], numbers[1] - size)) {
    throw malformed(env, "a part that is not in its vocabulary");
  }
  return {static_cast<std::int64_t>(numbers[0]), static_cast<std::int64_t>(numbers[1])};
}

// Arrays of a list, one after the other.
class ArrayReader {
 public:
  explicit ArrayReader(const Napi::Value& list) : list_(list.As<Napi::Array>()) {}

  // Null where the array is undefined and may be.
  template <class T>
  T* next(const char* name, std::int64_t length, bool may_miss = false) {
    const Napi::Env env = list_.Env();
    const View view = optional_view_of(env, list_.Get(next_++), name);
    if (!view.present && !may_miss) throw malformed(env, std::string(name) + " is missing");
    return typed_data<T>(env, name, view, static_cast<std::size_t>(length));
  }

 private:
  Napi::Array list_;
  std::uint32_t next_ = 0;
};

// In the order of partialArrays() in lib/native/loss-calls.ts.
PartialRows read_partials(const Napi::Value& list, const LossProblem& problem, const VocabularyPart& part) {
  ArrayReader arrays(list);
  const bool smoothed = problem.label_smoothing > 0;
  PartialRows partials;
  partials.first_token = part.first_token;
  partials.width = std::min(problem.beam_width, problem.vocab_size);
  check_product(list.Env(), "candidates", problem.rows, partials.width);
  partials.max_logit = arrays.next<float>("maxLogit", problem.rows);
  partials.sum_others = arrays.next<double>("sumOthers", problem.rows);
  partials.target_logit = arrays.next<float>("targetLogit", problem.rows);
  partials.counts = arrays.next<std::int32_t>("counts", problem.rows);
  partials.sum_differences = arrays.next<double>("sumDifferences", smoothed ? problem.rows : 0, !smoothed);
  partials.candidate_logits = arrays.next<float>("candidateLogits", problem.rows * partials.width);
  partials.candidate_tokens = arrays.next<std::int32_t>("candidateTokens", problem.rows * partials.width);
  partials.flags = arrays.next<std::uint8_t>("flags", problem.rows);
  return partials;
}

// In the order of mergedArrays() in lib/native/loss-calls.ts.
MergedRows read_merged(const Napi::Value& list, const LossProblem& problem, const VocabularyPart& part) {
  ArrayReader arrays(list);
  const bool smoothed = problem.label_smoothing > 0;
  const std::int64_t sums = smoothed ? problem.rows : 0;
  MergedRows merged;
  merged.first_token = part.first_token;
  merged.targets = problem.targets;
  merged.max_logit = arrays.next<float>("maxLogit", problem.rows);
  merged.sum_others = arrays.next<double>("sumOthers", problem.rows);
  merged.target_logit = arrays.next<float>("targetLogit", problem.rows);
  merged.threshold_logit = arrays.next<float>("thresholdLogit", problem.rows);
  merged.threshold_token = arrays.next<std::int32_t>("thresholdToken", problem.rows);
  merged.allowed_count = arrays.next<double>("allowedCount", sums, !smoothed);
  merged.sum_differences = arrays.next<double>("sumDifferences", sums, !smoothed);
  merged.flags = arrays.next<std::uint8_t>("flags", problem.rows);
  return merged;
}

// The name of the merged array that the gradient would be written over, or null.
const char* find_overlap(const LossCall& call, const MergedRows& merged) {
  if (call.problem.gradient == GradientMode::kNone) return nullptr;
  const auto rows = static_cast<std::size_t>(call.problem.rows);
  const auto element = static_cast<std::size_t>(element_size(call.problem.dtype));
  const Span spans[] = {
      {"gradLogits", call.outputs.grad_logits,
       element * spanned_elements(call.problem.rows, call.problem.vocab_size, call.outputs.grad_row_stride)},
      {"merged.maxLogit", merged.max_logit, rows * sizeof(float)},
      {"merged.sumOthers", merged.sum_others, rows * sizeof(double)},
      {"merged.targetLogit", merged.target_logit, rows * sizeof(float)},
      {"merged.thresholdLogit", merged.threshold_logit, rows * sizeof(float)},
      {"merged.thresholdToken", merged.threshold_token, rows * sizeof(std::int32_t)},
      {"merged.allowedCount", merged.allowed_count, rows * sizeof(double)},
      {"merged.sumDifferences", merged.sum_differences, rows * sizeof(double)},
      {"merged.flags", merged.flags, rows},
  };
  return find_overlap(spans, 1);
}

} // namespace

Napi::Value partials_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const LossCall call = read_loss_call(info[0], info[1].As<Napi::Array>());
  const VocabularyPart part = read_part(info[2], call.problem);
  const PartialRows partials = read_partials(info[3], call.problem, part);
  const ProblemFault fault = find_fault(call.problem, call.allowed_token_count, part);
  if (fault.error != ProblemError::kNone) return invalid_outcome(env, fault);
  const LocalIds ids(call.problem, part);
  const ComputeStatus status = compute_partials(ids.apply(call.problem), partials);
  return status == ComputeStatus::kOk ? env.Undefined() : outcome_of(env, status, {});
}

Napi::Value part_gradient_from_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LossCall call = read_loss_call(info[0], info[1].As<Napi::Array>());
  if (call.problem.gradient == GradientMode::kSparse) throw malformed(env, "a sparse gradient of a part");
  const VocabularyPart part = read_part(info[2], call.problem);
  const MergedRows merged = read_merged(info[3], call.problem, part);
  if (const char* input = settle_overlap(call)) return overlap_outcome(env, input);
  if (const char* input = find_overlap(call, merged)) return overlap_outcome(env, input);
  const ProblemFault fault = find_fault(call.problem, call.allowed_token_count, part);
  if (fault.error != ProblemError::kNone) return invalid_outcome(env, fault);
  const LocalIds ids(call.problem, part);
  LossSummary summary;
  const ComputeStatus status = compute_part_gradient(ids.apply(call.problem), merged, call.outputs, summary);
  return ending_of(env, status, summary, info[4]);
}

} // namespace fused_bear_loss
