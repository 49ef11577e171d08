// The maths of one row, for host and device: from what the sweep over the vocabulary found to the row's loss and to the
// handful of numbers that turn probabilities into the gradient. Formulas: docs/math.md.
#pragma once

#include <math.h>

#include "native/core/compiler.h"
#include "native/core/loss_problem.h"

namespace fused_bear_loss {

#if defined(__CUDACC__)
// On a device each of these is a function that is called: inlined wherever they are used, they would be most of a
// kernel.
FBL_SHARED_CALLED double exp(double x) { return ::exp(x); }
FBL_SHARED_CALLED double log(double x) { return ::log(x); }
FBL_SHARED_CALLED double log1p(double x) { return ::log1p(x); }
FBL_SHARED_CALLED double tanh(double x) { return ::tanh(x); }
#endif

FBL_SHARED_CALLED double logistic(double x) {
  const double decay = exp(-fabs(x));
  return (x >= 0 ? 1 : decay) / (1 + decay);
}

// log(1 + exp(x)) without overflow and without losing small values.
FBL_SHARED_CALLED double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

// The part of a penalty that depends on the row's pruning margin.
struct PenaltyTerm {
  double value;  // r(margin); for kReweight w - 1
  double slope;  // dr / d margin; 0 where the penalty acts through `weight`
  double weight; // factor of the cross-entropy: w for kReweight, else 1
};

// The penalty table: one line a kind. `margin` is delta = threshold - target on scaled logits, and may be +infinity.
FBL_SHARED_INLINE PenaltyTerm penalty_term(Penalty kind, double margin, double lambda, double xi, double hinge_margin) {
  if (kind == Penalty::kNone) return {0, 0, 1};
  if (kind == Penalty::kHinge) {
    return {margin + hinge_margin > 0 ? margin + hinge_margin : 0, margin + hinge_margin > 0 ? 1.0 : 0.0, 1};
  }
  const double x = margin / xi;
  const double rising = logistic(x);
  const double falling = logistic(-x);
  switch (kind) {
    case Penalty::kSoftplus:
      return {softplus(x), rising / xi, 1};
    case Penalty::kLogSigmoid:
      return {-softplus(-x), falling / xi, 1};
    case Penalty::kSigmoid:
      return {rising, rising * falling / xi, 1};
    default: // kReweight
      return {lambda * falling, 0, 1 + lambda * falling};
  }
}

// u = softcap(z) / tau, and its derivative by z.
struct LogitScale {
  double temperature;
  double softcap; // 0: none
};

// A temperature of 1, the usual one, costs no division: a division is long where few threads have one to do.
FBL_SHARED_INLINE double divided_by(double value, double temperature) {
  return temperature == 1 ? value : value / temperature;
}

FBL_SHARED_INLINE double scaled_logit(LogitScale scale, double logit) {
  return divided_by(scale.softcap > 0 ? scale.softcap * tanh(logit / scale.softcap) : logit, scale.temperature);
}

FBL_SHARED_INLINE double scaled_logit_slope(LogitScale scale, double logit) {
  if (scale.softcap <= 0) return divided_by(1, scale.temperature);
  // 1 - tanh^2 as 4 s / (1 + s)^2 with s = exp(-2 |t|): no cancellation where the cap saturates.
  const double s = exp(-2 * fabs(logit / scale.softcap));
  return divided_by(4 * s / ((1 + s) * (1 + s)), scale.temperature);
}

// What one sweep over the allowed logits of a row finds. Logits are raw; sums are of scaled logits u.
struct RowSums {
  float target_logit = 0;
  float reference_logit = 0;        // sum_others is relative to u of this logit
  double sum_others = 0;            // sum over A without the target of exp(u_j - u_reference)
  float max_logit = 0;              // over A, target included
  float threshold_logit = 0;        // the effective-beam-width-th largest of A
  std::int64_t effective_width = 0; // min(beam width, |A|)
  std::int64_t target_rank = -1;    // number of logits in A above the target's; -1: not known, as the target is pruned
  bool several_allowed = false;     // |A| > 1
  bool poisoned = false;            // NaN or +infinity in A, or no finite logit in A
  // Only where label smoothing asks for them:
  double allowed_count = 0;   // |A|
  double sum_differences = 0; // sum over A of u_j - u_reference
};

// One row's share of every result.
struct RowLoss {
  double loss = 0; // before token weight and reduction
  double nll = 0;
  double log_sum_exp = 0;
  double log_sum = 0; // log_sum_exp - u_reference
  double margin = 0;
  PenaltyTerm penalty = {0, 0, 1};
  double target_probability = 0;
  double other_probability = 0; // 1 - p_y, to full relative accuracy
  double reference_probability = 0;
};

// log-sum-exp and the target's two probabilities. Written around the others' sum relative to the target, so that
// neither a common offset nor a probability near 1 costs digits. The reference stays apart from the logarithm of the
// sum: of scaled logits near 1e20, log-sum-exp keeps nothing of it.
FBL_SHARED_INLINE void evaluate_cross_entropy(const RowSums& sums, double target, double reference, RowLoss& row) {
  const double distance = target - reference;
  if (distance < -600) { // exp(-distance) would overflow; also a target of -infinity
    row.log_sum = log(sums.sum_others);
    row.log_sum_exp = reference + row.log_sum;
    row.nll = row.log_sum - distance;
    row.target_probability = exp(-row.nll);
    row.other_probability = 1;
    row.reference_probability = 1 / sums.sum_others;
    return;
  }
  const double reference_to_target = exp(-distance);
  const double ratio = sums.sum_others * reference_to_target;
  row.nll = log1p(ratio);
  row.log_sum = distance + row.nll;
  row.log_sum_exp = target + row.nll;
  row.target_probability = 1 / (1 + ratio);
  row.other_probability = ratio * row.target_probability;
  row.reference_probability = reference_to_target * row.target_probability;
}

// log p of a logit in A.
FBL_SHARED_INLINE double log_probability(const LogitScale& scale, const RowSums& sums, const RowLoss& row,
                                         double logit) {
  return scaled_logit(scale, logit) - scaled_logit(scale, sums.reference_logit) - row.log_sum;
}

FBL_SHARED_INLINE RowLoss evaluate_row(const LossProblem& problem, const RowSums& sums, double lambda) {
  const LogitScale scale = {problem.temperature, problem.softcap};
  const bool masked = sums.target_logit == -INFINITY;
  RowLoss row;
  row.margin = masked ? INFINITY : scaled_logit(scale, sums.threshold_logit) - scaled_logit(scale, sums.target_logit);
  // Before what has more results to hold meanwhile, and takes its logits anew: a kernel is short of registers here.
  row.penalty = penalty_term(problem.penalty, row.margin, lambda, problem.xi, problem.margin);
  evaluate_cross_entropy(sums, masked ? -INFINITY : scaled_logit(scale, sums.target_logit),
                         scaled_logit(scale, sums.reference_logit), row);
  if (masked) {
    row.loss = INFINITY; // whatever the penalty's sign
    return row;
  }
  double cross_entropy = row.nll;
  if (problem.label_smoothing > 0) {
    const double uniform = row.log_sum - sums.sum_differences / sums.allowed_count;
    cross_entropy = (1 - problem.label_smoothing) * row.nll + problem.label_smoothing * uniform;
  }
  row.loss = row.penalty.weight * cross_entropy + problem.z_loss * row.log_sum_exp * row.log_sum_exp;
  if (problem.penalty != Penalty::kReweight && lambda != 0) row.loss += lambda * row.penalty.value;
  return row;
}

// The gradient of a row, in units of the scaled logits: for j in A
//   g_j = probability * p_j + offset            and
//   g_target in full for the target, + threshold for the threshold token (flow; 0 where it is the target).
struct RowCoefficients {
  double probability;
  double offset;
  double target;
  double threshold;
};

FBL_SHARED_INLINE RowCoefficients row_coefficients(const LossProblem& problem, const RowSums& sums, const RowLoss& row,
                                                   double lambda, bool target_is_threshold) {
  const bool flow = problem.threshold_gradient == ThresholdGradient::kFlow;
  const double smoothing = problem.label_smoothing;
  const double weight = row.penalty.weight;
  const double push = lambda * row.penalty.slope;
  const double log_sum_exp_slope = problem.z_loss != 0 ? 2 * problem.z_loss * row.log_sum_exp : 0;
  RowCoefficients c;
  c.probability = weight + (flow ? 0 : push) + log_sum_exp_slope;
  c.offset = smoothing > 0 ? -weight * smoothing / sums.allowed_count : 0;
  c.threshold = flow && !target_is_threshold ? push : 0;
  // weight (p_y - (1 - eps)) = weight (eps - (1 - p_y)), and 1 - p_y is at hand without cancellation.
  c.target = weight * (smoothing - row.other_probability) + c.offset + log_sum_exp_slope * row.target_probability;
  if (flow) {
    c.target -= c.threshold;
  } else {
    c.target -= push * row.other_probability;
  }
  return c;
}

} // namespace fused_bear_loss
