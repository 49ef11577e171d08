// From what the sweep of a row found to its statistics, its record and its gradient's factors: on one thread, in double
// precision, by the row_math.h that the CPU uses.
#pragma once

#include "native/core/row_math.h"
#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/exponential_sum.h"
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

// Of the block's own slices, or of those of its cluster's blocks, each of which has one.
FBL_DEVICE const SliceSums& slice_sums(int index, int cluster_size) {
  BlockState& state = block_state();
  return cluster_size > 1 ? *peer_shared(&state.slices[0], index) : state.slices[index];
}

// The steps from what a sweep found to a row's record are one thread's work, in double precision, by way of BlockState.
// Each is a function of its own, as together they would take more registers than the sweeps.

// The slices' sums, relative to the row's maximum.
FBL_DEVICE double sum_of_others(const RowFindings& findings, const CappedLogits& capping, int slices,
                                int cluster_size) {
  const float reference = capping.capped(findings.total.max_others);
  double sum = 0;
#pragma unroll 1
  for (int index = 0; index < slices; ++index) {
    const SliceSums& sums = slice_sums(index, cluster_size);
    const float ratio = capping.exponential(capping.capped(sums.max_others), reference);
    if (sums.sum_others != 0) sum += static_cast<double>(sums.sum_others) * static_cast<double>(ratio);
  }
  return sum;
}

// BlockState's sums of a row that is counted and not poisoned.
FBL_DEVICE_CALLED void sum_swept_row(const RowLaunch& launch) {
  const LossProblem& problem = launch.call.problem;
  BlockState& state = block_state();
  const SliceSums& total = state.swept.findings.total;
  const float target_logit = state.swept.findings.all.target_logit;
  RowSums sums;
  sums.target_logit = target_logit;
  sums.reference_logit = total.max_others == -infinity() ? target_logit : total.max_others;
  sums.sum_others =
      sum_of_others(state.swept.findings, CappedLogits(launch.scaling), launch.slices, launch.cluster_size);
  sums.threshold_logit = state.swept.threshold.logit;
  sums.effective_width = state.swept.threshold.effective_width;
  sums.allowed_count = total.allowed;
  const double reference = static_cast<double>(CappedLogits(launch.scaling).capped(sums.reference_logit));
  sums.sum_differences = (total.sum_scaled - sums.allowed_count * reference) / problem.temperature;
  state.sums = sums;
}

// BlockState's loss, by its sums.
FBL_DEVICE_CALLED void evaluate_swept_row(const RowLaunch& launch, std::int64_t row) {
  const LossProblem& problem = launch.call.problem;
  BlockState& state = block_state();
  state.loss = evaluate_row(problem, state.sums, row_lambda(problem, row));
}

// What the end of a row's sweep adds to its flags.
FBL_DEVICE unsigned flags_of_swept_row(const LossProblem& problem) {
  const SweptRow& swept = block_state().swept;
  const float target_logit = swept.findings.all.target_logit;
  unsigned flags = 0;
  if (problem.pruning_statistics && swept.threshold.logit > target_logit) flags |= kRowPruned;
  if (target_logit >= swept.findings.total.max_others) flags |= kRowTopRanked;
  if (target_logit == -infinity()) flags |= kRowNonFinite;
  if (swept.threshold.several_allowed) flags |= kRowSeveralAllowed;
  return flags;
}

FBL_DEVICE_CALLED void write_statistics(const RowLaunch& launch, std::int64_t row) {
  const LossProblem& problem = launch.call.problem;
  const LossOutputs& outputs = launch.call.outputs;
  const BlockState& state = block_state();
  const RowLoss& loss = state.loss;
  const bool known = problem.pruning_statistics;
  if (outputs.nll != nullptr) outputs.nll[row] = static_cast<float>(loss.nll);
  if (outputs.log_sum_exp != nullptr) outputs.log_sum_exp[row] = static_cast<float>(loss.log_sum_exp);
  if (outputs.threshold != nullptr) {
    const LogitScale scale = {problem.temperature, problem.softcap};
    const double log_p = log_probability(scale, state.sums, loss, static_cast<double>(state.sums.threshold_logit));
    outputs.threshold[row] = known ? static_cast<float>(log_p) : not_a_number();
  }
  if (outputs.margin != nullptr) outputs.margin[row] = known ? static_cast<float>(loss.margin) : not_a_number();
  if (outputs.penalty != nullptr) outputs.penalty[row] = static_cast<float>(loss.penalty.value);
  if (outputs.rank != nullptr) outputs.rank[row] = state.swept.findings.total.above;
  if (outputs.row_losses != nullptr) {
    outputs.row_losses[row] = static_cast<float>(row_token_weight(problem, row) * loss.loss);
  }
}

// The same in every statistic of a row that is ignored or poisoned. Its gradient is decided by its flags.
FBL_DEVICE_CALLED void write_special_statistics(const RowLaunch& launch, std::int64_t row, float value) {
  put_statistics(launch.call.outputs, row, value);
  if (launch.call.outputs.row_losses != nullptr) launch.call.outputs.row_losses[row] = value;
}

// BlockState's record, by its sums and loss.
FBL_DEVICE_CALLED void make_record(const RowLaunch& launch, std::int64_t row) {
  const LossProblem& problem = launch.call.problem;
  BlockState& state = block_state();
  const RowSums& sums = state.sums;
  const RowLoss& loss = state.loss;
  const Threshold& threshold = state.swept.threshold;
  const std::int32_t target_position = state.swept.findings.all.target_position;
  const LogitScale scale = {problem.temperature, problem.softcap};
  const std::int32_t flow_position = loss.penalty.slope != 0 ? threshold.position : -1;
  const RowCoefficients c =
      row_coefficients(problem, sums, loss, row_lambda(problem, row), flow_position == target_position);
  RowRecord& record = state.record;
  record = {};
  record.loss = loss.loss;
  record.weight = loss.penalty.weight;
  record.probability = c.probability * exp(-loss.log_sum) / problem.temperature;
  record.offset = c.offset / problem.temperature;
  record.target = c.target * scaled_logit_slope(scale, static_cast<double>(sums.target_logit));
  record.target_position = target_position;
  record.threshold_position = -1;
  if (c.threshold != 0) {
    const double probability = exp(log_probability(scale, sums, loss, static_cast<double>(threshold.logit)));
    record.threshold = (c.probability * probability + c.offset + c.threshold) *
                       scaled_logit_slope(scale, static_cast<double>(threshold.logit));
    record.threshold_position = flow_position;
  }
  record.reference = CappedLogits(launch.scaling).capped(sums.reference_logit);
}

FBL_DEVICE GradientKind gradient_kind(const LossProblem& problem, unsigned flags) {
  if ((flags & kRowFaulty) != 0) return kFaulty;
  if ((flags & kRowPoisoned) != 0) return kPoisoned;
  if ((flags & kRowCounted) == 0) return kZero;
  return is_weighted_mean(problem) && (flags & kRowSeveralAllowed) == 0 ? kZero : kFormula;
}

// BlockState's factors, by its record. Where the threshold token is the target it has no entry, and none is needed.
FBL_DEVICE_CALLED void make_factors(const RowLaunch& launch, std::int64_t row, unsigned flags) {
  const LossProblem& problem = launch.call.problem;
  const RowRecord& record = block_state().record;
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

// The row's outputs, by its first block, and the factors of its gradient in the state of each.
FBL_DEVICE void conclude(const RowLaunch& launch, std::int64_t row, unsigned flags) {
  BlockState& state = block_state();
  const RowFindings& findings = state.swept.findings; // of a row that was swept
  const bool writes = launch.cluster_size == 1 || cluster_rank() == 0;
  const bool sound = (flags & kRowFaulty) == 0 && (flags & kRowCounted) != 0;
  const bool poisoned = sound && state.swept.poisoned;
  if (sound && !poisoned) {
    sum_swept_row(launch);
    evaluate_swept_row(launch, row);
    flags |= flags_of_swept_row(launch.call.problem);
    if (writes) write_statistics(launch, row);
    make_record(launch, row);
  } else {
    if (poisoned || (flags & kRowFaulty) != 0) flags |= kRowPoisoned | kRowNonFinite;
    const float value = (flags & (kRowCounted | kRowFaulty)) != 0 ? not_a_number() : 0;
    if (writes) write_special_statistics(launch, row, value);
    state.record = {};
    state.record.loss = static_cast<double>(value);
    const bool all_masked = poisoned && !findings.has_nan && findings.total.max_others == -infinity() &&
                            findings.all.target_logit == -infinity();
    state.record.all_masked = all_masked ? 1 : 0;
  }
  if (writes) {
    launch.workspace.records[row] = state.record;
    launch.workspace.flags[row] = static_cast<std::uint8_t>(flags);
  }
  if (launch.write_gradient) make_factors(launch, row, flags);
}

} // namespace fused_bear_loss::cuda
