// What the rows of a call add up to, in double precision. Added in row order, so that the sums do not depend on
// threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "native/core/backend.h"
#include "native/core/loss_problem.h"
#include "native/cpu/row_processor.h"

namespace fused_bear_loss {

inline double token_weight(const LossProblem& problem, std::int64_t row) {
  return problem.token_weights == nullptr ? 1.0 : static_cast<double>(problem.token_weights[row]);
}

// The row's loss before reduction; 0 where it is ignored.
inline double weighted_row_loss(const LossProblem& problem, std::int64_t row, const RowSummary& summary) {
  return summary.counted ? token_weight(problem, row) * summary.loss : 0;
}

struct LossTotals {
  double loss = 0;    // not yet divided
  double weights = 0; // D of the weighted mean, but for its small constant: see docs/math.md
  std::int64_t counted_rows = 0;
  std::int64_t pruned_rows = 0;
  std::int64_t top_ranked_rows = 0;

  void add(const LossProblem& problem, std::int64_t row, const RowSummary& summary) {
    if (!summary.counted) return;
    ++counted_rows;
    pruned_rows += summary.pruned ? 1 : 0;
    top_ranked_rows += summary.top_ranked ? 1 : 0;
    const bool weighted = problem.reduction == Reduction::kWeightedMean;
    if (!weighted || summary.several_allowed || summary.poisoned) loss += weighted_row_loss(problem, row, summary);
    if (!summary.poisoned && summary.several_allowed) weights += token_weight(problem, row) * summary.weight;
  }

  // But for the rows that are not finite.
  void summarize(Reduction reduction, double divisor, LossSummary& summary) const {
    summary.loss = reduction == Reduction::kNone ? 0 : loss / divisor;
    summary.counted_rows = counted_rows;
    summary.pruned_rows = pruned_rows;
    summary.top_ranked_rows = top_ranked_rows;
  }
};

// Those whose target is not ignored.
inline std::int64_t counted_rows(const LossProblem& problem) {
  return problem.rows - std::count(problem.targets, problem.targets + problem.rows, problem.ignore_index);
}

// What the reduction divides by, of a call with so many counted rows and such weights.
inline double reduction_divisor(const LossProblem& problem, std::int64_t counted_rows, double weights) {
  if (problem.reduction == Reduction::kWeightedMean) return weights + 1e-8;
  if (problem.reduction != Reduction::kMean) return 1;
  return problem.normalizer > 0 ? problem.normalizer : static_cast<double>(std::max<std::int64_t>(1, counted_rows));
}

// The divisor of a reduction that is known before any row is swept; of the weighted mean it is not.
inline double known_divisor(const LossProblem& problem) { return reduction_divisor(problem, counted_rows(problem), 0); }

} // namespace fused_bear_loss
