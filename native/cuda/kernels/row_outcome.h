// From what the sweep of a row found to its statistics, its record and its gradient's factors: on one thread, in double
// precision, by the row_math.h that the CPU uses.
#pragma once

#include "native/core/row_math.h"
#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/gradient_sweep.h"
#include "native/cuda/kernels/shared_memory.h"

namespace fused_bear_loss::cuda {

FBL_DEVICE bool is_weighted_mean(const LossProblem& problem) { return problem.reduction == Reduction::kWeightedMean; }

FBL_DEVICE double row_lambda(const LossProblem& problem, std::int64_t row) {
  return problem.penalty_weights == nullptr ? problem.lambda
                                            : problem.lambda * static_cast<double>(problem.penalty_weights[row]);
}

FBL_DEVICE double row_token_weight(const LossProblem& problem, std::int64_t row) {
  return problem.token_weights == nullptr ? 1.0 : static_cast<double>(problem.token_weights[row]);
}

// Of the reduction. The weighted mean's is in the summary since launch_end_kernel().
FBL_DEVICE double divisor_of(const LossProblem& problem, const DeviceSummary& summary) {
  if (is_weighted_mean(problem)) return summary.divisor;
  if (problem.reduction != Reduction::kMean) return 1;
  if (problem.normalizer > 0) return problem.normalizer;
  return summary.counted_rows > 0 ? static_cast<double>(summary.counted_rows) : 1;
}

FBL_DEVICE void put_statistics(const LossOutputs& outputs, std::int64_t row, float value) {
  if (outputs.nll != nullptr) outputs.nll[row] = value;
  if (outputs.log_sum_exp != nullptr) outputs.log_sum_exp[row] = value;
  if (outputs.threshold != nullptr) outputs.threshold[row] = value;
  if (outputs.margin != nullptr) outputs.margin[row] = value;
  if (outputs.penalty != nullptr) outputs.penalty[row] = value;
  if (outputs.rank != nullptr) outputs.rank[row] = -1;
}

// A row that is ignored or poisoned: the same in every statistic. Its gradient is decided by its flags.
FBL_DEVICE RowRecord conclude_special_row(const DeviceProblem& call, std::int64_t row, unsigned flags, bool all_masked,
                                          bool writes) {
  const float value = (flags & (kRowCounted | kRowFaulty)) != 0 ? not_a_number() : 0;
  if (writes) {
    put_statistics(call.outputs, row, value);
    if (call.outputs.row_losses != nullptr) call.outputs.row_losses[row] = value;
  }
  RowRecord record = {};
  record.loss = static_cast<double>(value);
  record.all_masked = all_masked ? 1 : 0;
  return record;
}

// `sums` and `threshold` of a row that is counted and not poisoned. Adds to its flags, and writes its statistics where
// `writes` says so: one block of a row does.
FBL_DEVICE RowRecord conclude_row(const DeviceProblem& call, std::int64_t row, const RowSums& sums,
                                  const CappedLogits& capping, const RowFindings& findings, const Threshold& threshold,
                                  bool writes, unsigned& flags) {
  const LossProblem& problem = call.problem;
  const LossOutputs& outputs = call.outputs;
  const double lambda = row_lambda(problem, row);
  const RowLoss loss = evaluate_row(problem, sums, lambda);
  const LogitScale scale = {problem.temperature, problem.softcap};
  const double scaled_threshold = scaled_logit(scale, static_cast<double>(threshold.logit));
  const bool pruned = problem.pruning_statistics && threshold.logit > sums.target_logit;

  if (pruned) flags |= kRowPruned;
  if (sums.target_logit >= findings.total.max_others) flags |= kRowTopRanked;
  if (sums.target_logit == -infinity()) flags |= kRowNonFinite;
  if (threshold.several_allowed) flags |= kRowSeveralAllowed;

  if (writes) {
    const bool known = problem.pruning_statistics;
    if (outputs.nll != nullptr) outputs.nll[row] = static_cast<float>(loss.nll);
    if (outputs.log_sum_exp != nullptr) outputs.log_sum_exp[row] = static_cast<float>(loss.log_sum_exp);
    if (outputs.threshold != nullptr) {
      outputs.threshold[row] = known ? static_cast<float>(scaled_threshold - loss.log_sum_exp) : not_a_number();
    }
    if (outputs.margin != nullptr) outputs.margin[row] = known ? static_cast<float>(loss.margin) : not_a_number();
    if (outputs.penalty != nullptr) outputs.penalty[row] = static_cast<float>(loss.penalty.value);
    if (outputs.rank != nullptr) outputs.rank[row] = findings.total.above;
    if (outputs.row_losses != nullptr) {
      outputs.row_losses[row] = static_cast<float>(row_token_weight(problem, row) * loss.loss);
    }
  }

  const std::int32_t flow_position = loss.penalty.slope != 0 ? threshold.position : -1;
  const RowCoefficients c = row_coefficients(problem, sums, loss, lambda, flow_position == findings.all.target_position);
  RowRecord record = {};
  record.loss = loss.loss;
  record.weight = loss.penalty.weight;
  const double reference = scaled_logit(scale, static_cast<double>(sums.reference_logit));
  record.probability = c.probability * exp(reference - loss.log_sum_exp) / problem.temperature;
  record.offset = c.offset / problem.temperature;
  record.target = c.target * scaled_logit_slope(scale, static_cast<double>(sums.target_logit));
  record.target_position = findings.all.target_position;
  record.threshold_position = -1;
  if (c.threshold != 0) {
    const double probability = exp(scaled_threshold - loss.log_sum_exp);
    record.threshold = (c.probability * probability + c.offset + c.threshold) *
                       scaled_logit_slope(scale, static_cast<double>(threshold.logit));
    record.threshold_position = flow_position;
  }
  record.reference = capping.capped(sums.reference_logit);
  return record;
}

FBL_DEVICE GradientKind gradient_kind(const LossProblem& problem, unsigned flags) {
  if ((flags & kRowFaulty) != 0) return kFaulty;
  if ((flags & kRowPoisoned) != 0) return kPoisoned;
  if ((flags & kRowCounted) == 0) return kZero;
  return is_weighted_mean(problem) && (flags & kRowSeveralAllowed) == 0 ? kZero : kFormula;
}

// Where the threshold token is the target there is no such entry, and the other way round none is needed.
FBL_DEVICE GradientFactors gradient_factors(const LossProblem& problem, const DeviceSummary& summary, float exponent_scale,
                                            std::int64_t row, const RowRecord& record, unsigned flags) {
  double multiplier =
      problem.grad_output_rows == nullptr ? problem.grad_output : static_cast<double>(problem.grad_output_rows[row]);
  multiplier = multiplier * row_token_weight(problem, row) / divisor_of(problem, summary);
  GradientFactors factors;
  factors.base = exponent_base(record.reference, exponent_scale);
  // Exponentials are relative to the base, the record's probability to the reference.
  const double correction = exp2_of_small(-excess(factors.base, record.reference, exponent_scale));
  factors.constant = static_cast<float>(record.probability * multiplier * correction);
  factors.offset = static_cast<float>(record.offset * multiplier);
  factors.target = static_cast<float>(record.target * multiplier);
  factors.threshold = static_cast<float>(record.threshold * multiplier);
  factors.target_position = static_cast<std::int32_t>(record.target_position);
  factors.threshold_position = static_cast<std::int32_t>(record.threshold_position);
  factors.kind = gradient_kind(problem, flags);
  factors.all_masked = static_cast<std::int32_t>(record.all_masked);
  return factors;
}

} // namespace fused_bear_loss::cuda
