// From what the sweep of a row found to its statistics, its record and its gradient's factors: on one thread, in double
// precision, by the row_math.h that the CPU uses.
#pragma once

#include "native/core/row_math.h"
#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/exponential_sum.h"
#include "native/cuda/kernels/gradient_sweep.h"
#include "native/cuda/kernels/shared_memory.h"

namespace fused_bear_loss::cuda {

// Whether the row has a sweep.
FBL_DEVICE bool is_sound(unsigned flags) { return (flags & (kRowCounted | kRowFaulty)) == kRowCounted; }

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

// Of a row that is counted and not poisoned.
FBL_DEVICE RowSums sums_of_swept_row(const LossProblem& problem, const RowLaunch& launch) {
  const BlockState& state = block_state();
  const SweepSums& total = state.sums;
  RowSums sums;
  sums.target_logit = state.target.logit;
  sums.reference_logit = total.max_others == -infinity() ? state.target.logit : total.max_others;
  sums.sum_others = static_cast<double>(total.sum_others);
  sums.threshold_logit = state.swept.threshold.logit;
  sums.effective_width = state.swept.threshold.effective_width;
  if (problem.label_smoothing > 0) {
    sums.allowed_count = total.allowed;
    const double reference = static_cast<double>(CappedLogits(launch.scaling).capped(sums.reference_logit));
    sums.sum_differences = (total.sum_scaled - sums.allowed_count * reference) / problem.temperature;
  }
  return sums;
}

// What the end of a row's sweep adds to its flags.
FBL_DEVICE unsigned flags_of_swept_row(const LossProblem& problem) {
  const BlockState& state = block_state();
  const Threshold& threshold = state.swept.threshold;
  unsigned flags = 0;
  if (problem.pruning_statistics && threshold.logit > state.target.logit) flags |= kRowPruned;
  if (state.target.logit >= state.sums.max_others) flags |= kRowTopRanked;
  if (state.target.logit == -infinity()) flags |= kRowNonFinite;
  if (threshold.several_allowed) flags |= kRowSeveralAllowed;
  return flags;
}

FBL_DEVICE void write_statistics(const LossProblem& problem, const LossOutputs& outputs, std::int64_t row,
                                 const RowSums& sums, const RowLoss& loss) {
  const bool known = problem.pruning_statistics;
  if (outputs.nll != nullptr) outputs.nll[row] = static_cast<float>(loss.nll);
  if (outputs.log_sum_exp != nullptr) outputs.log_sum_exp[row] = static_cast<float>(loss.log_sum_exp);
  if (outputs.threshold != nullptr) {
    const LogitScale scale = {problem.temperature, problem.softcap};
    const double log_p = log_probability(scale, sums, loss, static_cast<double>(sums.threshold_logit));
    outputs.threshold[row] = known ? static_cast<float>(log_p) : not_a_number();
  }
  if (outputs.margin != nullptr) outputs.margin[row] = known ? static_cast<float>(loss.margin) : not_a_number();
  if (outputs.penalty != nullptr) outputs.penalty[row] = static_cast<float>(loss.penalty.value);
  if (outputs.rank != nullptr) outputs.rank[row] = block_state().sums.above;
  if (outputs.row_losses != nullptr) {
    outputs.row_losses[row] = static_cast<float>(row_token_weight(problem, row) * loss.loss);
  }
}

// The same in every statistic of a row that is ignored or poisoned. Its gradient is decided by its flags.
FBL_DEVICE_CALLED void write_special_statistics(const LossOutputs& outputs, std::int64_t row, float value) {
  put_statistics(outputs, row, value);
  if (outputs.row_losses != nullptr) outputs.row_losses[row] = value;
}

FBL_DEVICE RowRecord record_of(const LossProblem& problem, std::int64_t row, const RowSums& sums, const RowLoss& loss) {
  const BlockState& state = block_state();
  const std::int32_t target_position = state.target.position;
  const LogitScale scale = {problem.temperature, problem.softcap};
  const std::int32_t flow_position = loss.penalty.slope != 0 ? state.swept.threshold.position : -1;
  const RowCoefficients c =
      row_coefficients(problem, sums, loss, row_lambda(problem, row), flow_position == target_position);
  RowRecord record = {};
  record.loss = loss.loss;
  record.weight = loss.penalty.weight;
  record.probability = divided_by(c.probability * loss.reference_probability, problem.temperature);
  record.offset = divided_by(c.offset, problem.temperature);
  record.target = c.target * scaled_logit_slope(scale, static_cast<double>(sums.target_logit));
  record.target_position = target_position;
  record.threshold_position = -1;
  if (c.threshold != 0) {
    const double threshold = static_cast<double>(sums.threshold_logit);
    const double probability = exp(log_probability(scale, sums, loss, threshold));
    record.threshold = (c.probability * probability + c.offset + c.threshold) * scaled_logit_slope(scale, threshold);
    record.threshold_position = flow_position;
  }
  return record;
}

FBL_DEVICE GradientKind gradient_kind(const LossProblem& problem, unsigned flags) {
  if ((flags & kRowFaulty) != 0) return kFaulty;
  if ((flags & kRowPoisoned) != 0) return kPoisoned;
  if ((flags & kRowCounted) == 0) return kZero;
  return is_weighted_mean(problem) && (flags & kRowSeveralAllowed) == 0 ? kZero : kFormula;
}

// BlockState's factors. Where the threshold token is the target it has no entry, and none is needed.
FBL_DEVICE void make_factors(const LossProblem& problem, const RowLaunch& launch, std::int64_t row, unsigned flags,
                             const RowRecord& record) {
  double multiplier =
      problem.grad_output_rows == nullptr ? problem.grad_output : static_cast<double>(problem.grad_output_rows[row]);
  multiplier = multiplier * row_token_weight(problem, row) / divisor_of(problem, *launch.workspace.summary);
  GradientFactors& factors = block_state().factors;
  factors.base = exponent_base(record.reference, launch.scaling.scale);
  // Exponentials are relative to the base, the record's probability to the reference.
  const double correction = exp2_of_small(-excess(factors.base, record.reference, launch.scaling.scale));
  factors.constant = static_cast<float>(record.probability * multiplier * correction);
  factors.offset = static_cast<float>(record.offset * multiplier);
  factors.target = static_cast<float>(record.target * multiplier);
  factors.threshold = static_cast<float>(record.threshold * multiplier);
  factors.target_position = static_cast<std::int32_t>(record.target_position);
  factors.threshold_position = static_cast<std::int32_t>(record.threshold_position);
  factors.kind = gradient_kind(problem, flags);
  factors.all_masked = static_cast<std::int32_t>(record.all_masked);
}

// From what the sweep of a row found to its outputs and, with its gradient, to the factors of that in BlockState: on
// one thread.
FBL_DEVICE void conclude_row(const LossProblem& problem, const RowLaunch& launch, std::int64_t row, unsigned flags,
                             bool with_gradient) {
  const BlockState& state = block_state();
  const LossOutputs& outputs = launch.call.outputs;
  const bool sound = is_sound(flags);
  const bool poisoned = sound && state.swept.poisoned;
  RowRecord record = {};
  if (sound && !poisoned) {
    flags |= flags_of_swept_row(problem);
    const RowSums sums = sums_of_swept_row(problem, launch);
    const RowLoss loss = evaluate_row(problem, sums, row_lambda(problem, row));
    if (launch.writes_statistics) write_statistics(problem, outputs, row, sums, loss);
    record = record_of(problem, row, sums, loss);
    record.reference = CappedLogits(launch.scaling).capped(sums.reference_logit);
  } else {
    if (poisoned || (flags & kRowFaulty) != 0) flags |= kRowPoisoned | kRowNonFinite;
    const float value = (flags & (kRowCounted | kRowFaulty)) != 0 ? not_a_number() : 0;
    write_special_statistics(outputs, row, value);
    record.loss = static_cast<double>(value);
    if (poisoned) { // and has been swept
      const bool has_nan = state.sums.sum_others != state.sums.sum_others;
      const bool all_masked = state.sums.max_others == -infinity() && state.target.logit == -infinity();
      record.all_masked = !has_nan && all_masked ? 1 : 0;
    }
  }
  RowRecord& written = launch.workspace.records[row];
  if (launch.writes_record) {
    written = record;
  } else {
    written.loss = record.loss;
    written.weight = record.weight;
  }
  launch.workspace.flags[row] = static_cast<std::uint8_t>(flags);
  if (with_gradient) make_factors(problem, launch, row, flags, record);
}

FBL_DEVICE void conclude(const RowLaunch& launch, std::int64_t row, unsigned flags) {
  conclude_row(launch.call.problem, launch, row, flags, launch.write_gradient);
}

// The same for rows without options, which the compiler is told that they are without.
FBL_DEVICE void conclude_plain(const RowLaunch& launch, std::int64_t row, unsigned flags, bool with_gradient) {
  LossProblem problem = launch.call.problem;
  problem.softcap = 0;
  problem.label_smoothing = 0;
  problem.threshold_gradient = ThresholdGradient::kDetach;
  conclude_row(problem, launch, row, flags, with_gradient);
}

} // namespace fused_bear_loss::cuda
