// The loss in float64, by the formulas of docs/math.md, for the fuzz target: slow, obvious, and without a line of the
// code under test. (test/reference has the same in TypeScript, for the contract's tests.) Beside each result stands
// what its error is relative to: the magnitudes that went into a sum, as they may cancel.
#pragma once

#include <vector>

#include "test/fuzz/core/loss_case.h"

namespace fused_bear_loss::fuzz {

struct RowReference {
  bool counted = false;
  bool poisoned = false; // NaN or plus infinity in A, or no finite logit in A
  bool several_allowed = false;
  bool pruned = false;
  double loss = 0; // before token weight and reduction
  double loss_scale = 0;
  double nll = 0;
  double log_sum_exp = 0;
  double threshold = 0; // a log-probability
  double margin = 0;
  double penalty = 0;
  double weight = 1; // of the cross-entropy
  std::int64_t rank = -1;
  double threshold_logit = 0;     // raw
  std::int64_t allowed_count = 0; // |A|
  // By token, exactly 0 outside A. By what the row's largest terms are, reduction and upstream gradient included.
  std::vector<double> gradient;
  double gradient_scale = 0;
  // The largest product of an exponential and its exponent: of a probability, or of a saturated cap's slope.
  double exponent_scale = 0;
  double largest_factor = 0; // of a probability in the gradient
  // The spread of the scaled logits of A around their maximum, and the largest of their magnitudes.
  double largest_scaled = 0;
  bool is_on_hinge = false; // so close to where the hinge begins that rounding decides on its slope
};

struct LossReference {
  std::vector<RowReference> rows;
  double loss = 0;
  double divisor = 1;
  std::int64_t counted_rows = 0;
  std::int64_t pruned_rows = 0;
  std::int64_t top_ranked_rows = 0;
  std::vector<std::int64_t> non_finite_rows;
};

// Of a case without a fault.
LossReference loss_reference(const LossCase& loss_case);

} // namespace fused_bear_loss::fuzz
