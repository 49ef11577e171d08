// The linear form on the CPU: chunks of rows, each from the products to the gradients (docs/linear.md).
#include <algorithm>
#include <cstring>
#include <new>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/cpu/linear_chunks.h"

namespace fused_bear_loss {
namespace {

class LinearLoss {
 public:
  LinearLoss(const LinearProblem& call, const LinearOutputs& outputs, LinearChunks& chunks)
      : call_(call), outputs_(outputs), chunks_(chunks) {}

  ComputeStatus run(LossSummary& summary) {
    summary.non_finite_rows.reserve(static_cast<std::size_t>(call_.rows));
    double divisor = known_divisor(call_);
    ComputeStatus status = ComputeStatus::kOk;
    if (call_.reduction == Reduction::kWeightedMean) status = sum_weights(divisor);
    if (status == ComputeStatus::kOk) status = compute_chunks(divisor, summary);
    return status;
  }

 private:
  // The divisor of the weighted mean is a sum over all rows, which every gradient needs.
  ComputeStatus sum_weights(double& divisor) {
    LossTotals totals;
    const ComputeStatus status = for_each_chunk(call_, chunks_, [&] {
      const ComputeStatus swept = chunks_.compute_rows(false, 1);
      chunks_.rows().add_to(totals);
      return swept;
    });
    divisor = reduction_divisor(call_, 0, totals.weights);
    return status;
  }

  ComputeStatus compute_chunks(double divisor, LossSummary& summary) {
    const bool differentiates = call_.gradient != GradientMode::kNone;
    LossTotals totals;
    bool first = !call_.accumulate;
    const ComputeStatus status = for_each_chunk(call_, chunks_, [&] {
      ComputeStatus computed = chunks_.compute_rows(differentiates, divisor);
      if (computed != ComputeStatus::kOk) return computed;
      chunks_.rows().scatter(summary);
      chunks_.rows().add_to(totals);
      if (differentiates) computed = chunks_.compute_gradients(first);
      first = false;
      return computed;
    });
    if (status != ComputeStatus::kOk) return status;
    if (first && differentiates) chunks_.clear_gradients(); // no row counts
    chunks_.finish_gradients();
    clear_ignored_rows();
    totals.summarize(call_.reduction, divisor, summary);
    return ComputeStatus::kOk;
  }

  // Rows that no chunk has: no logits of theirs are computed.
  void clear_ignored_rows() const {
    const LossOutputs& rows = outputs_.rows;
    const auto bytes = static_cast<std::size_t>(call_.hidden_size * element_size(call_.operand_dtype));
    for (std::int64_t row = 0; row < call_.rows; ++row) {
      if (call_.targets[row] != call_.ignore_index) continue;
      for (float* column : {rows.row_losses, rows.nll, rows.log_sum_exp, rows.threshold, rows.margin, rows.penalty}) {
        if (column != nullptr) column[row] = 0;
      }
      if (rows.rank != nullptr) rows.rank[row] = -1;
      if (outputs_.grad_hidden == nullptr || call_.accumulate) continue;
      std::memset(static_cast<char*>(outputs_.grad_hidden) + static_cast<std::size_t>(row) * bytes, 0, bytes);
    }
  }

  const LinearProblem& call_;
  const LinearOutputs& outputs_;
  LinearChunks& chunks_;
};

} // namespace

ComputeStatus compute_linear(const LinearProblem& problem, const LinearOutputs& outputs, LossSummary& summary,
                             const std::atomic<std::int32_t>* abort) {
  summary = LossSummary{};
  try {
    const std::unique_ptr<LinearChunks> chunks = make_chunks(problem, outputs, abort);
    return LinearLoss(problem, outputs, *chunks).run(summary);
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
}

} // namespace fused_bear_loss
