#include "native/binding/loss_outcome.h"

#include <iterator>

#include "native/binding/typed_views.h"
#include "native/core/call_fields.h"
#include "native/core/option_names.h"

namespace fused_bear_loss {
namespace {

Napi::Value to_number(Napi::Env env, std::int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// Making an object of them takes longer.
void write_summary(const Napi::Value& float64_array, const LossSummary& summary) {
  const View view = view_of(float64_array.Env(), float64_array, "summary");
  auto* const values = typed_data<double>(float64_array.Env(), "summary", view, std::size(kSummaryFieldNames));
  values[0] = summary.loss;
  values[1] = static_cast<double>(summary.counted_rows);
  values[2] = static_cast<double>(summary.pruned_rows);
  values[3] = static_cast<double>(summary.top_ranked_rows);
}

} // namespace

Napi::Object plain_outcome(Napi::Env env, const char* status) {
  Napi::Object outcome = Napi::Object::New(env);
  outcome.Set("status", status);
  return outcome;
}

Napi::Object invalid_outcome(Napi::Env env, const ProblemFault& fault) {
  Napi::Object outcome = plain_outcome(env, "invalid");
  outcome.Set("fault", kFaultNames[static_cast<std::size_t>(fault.error)]);
  outcome.Set("row", to_number(env, fault.row));
  outcome.Set("value", to_number(env, fault.value));
  return outcome;
}

Napi::Object device_error_outcome(Napi::Env env, const DeviceError& error) {
  Napi::Object outcome = plain_outcome(env, "device-error");
  outcome.Set("kind", kDeviceErrorNames[static_cast<std::size_t>(error.kind)]);
  outcome.Set("message", error.what());
  return outcome;
}

Napi::Object overlap_outcome(Napi::Env env, const char* input) {
  Napi::Object outcome = plain_outcome(env, "overlap");
  outcome.Set("input", input);
  return outcome;
}

Napi::Object outcome_of(Napi::Env env, ComputeStatus status, const LossSummary& summary) {
  if (status == ComputeStatus::kAborted) return plain_outcome(env, "aborted");
  if (status == ComputeStatus::kOutOfMemory) return plain_outcome(env, "out-of-memory");
  Napi::Object outcome = plain_outcome(env, "done");
  outcome.Set("loss", summary.loss);
  outcome.Set("countedRows", to_number(env, summary.counted_rows));
  outcome.Set("prunedRows", to_number(env, summary.pruned_rows));
  outcome.Set("topRankedRows", to_number(env, summary.top_ranked_rows));
  Napi::Array rows = Napi::Array::New(env, summary.non_finite_rows.size());
  for (std::size_t i = 0; i < summary.non_finite_rows.size(); ++i) {
    rows.Set(static_cast<std::uint32_t>(i), to_number(env, summary.non_finite_rows[i]));
  }
  outcome.Set("nonFiniteRows", rows);
  return outcome;
}

Napi::Value ending_of(Napi::Env env, ComputeStatus status, const LossSummary& summary, const Napi::Value& written) {
  if (status != ComputeStatus::kOk || !summary.non_finite_rows.empty()) return outcome_of(env, status, summary);
  write_summary(written, summary);
  return env.Undefined();
}

} // namespace fused_bear_loss
