// The loss of a row in float64, straight from docs/math.md: what large shapes are compared with. Knows the hinge and
// the softplus penalty (xi 1, margin 0), both gradients of the threshold, and no constraint.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/loss_problem.h"

namespace fused_bear_loss::device_check {

struct ReferenceRow {
  double loss = 0;
  double nll = 0;
  double log_sum_exp = 0;
  double threshold = 0; // log-probability
  double margin = 0;
  double penalty = 0;
  std::int64_t rank = 0;
  std::vector<double> gradient; // [V], of the row alone: not divided by the number of rows
};

// Logits are finite or minus infinity, the target's is finite. A logit of minus infinity takes its token out.
ReferenceRow reference_row(const std::vector<double>& logits, std::int32_t target, const LossProblem& problem);

} // namespace fused_bear_loss::device_check
