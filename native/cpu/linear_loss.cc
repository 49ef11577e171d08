// The linear form on the CPU: chunks of rows, each from the products to the gradients (docs/linear.md).
#include <cstring>
#include <new>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/cpu/linear_run.h"

namespace fused_bear_loss {
LinearRun::LinearRun(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort)
    : call_(call),
      outputs_(outputs),
      chunks_(make_chunks(call, outputs, abort)),
      pass_(call.reduction == Reduction::kWeightedMean ? Pass::kWeights : Pass::kLoss),
      is_first_(!call.accumulate),
      divisor_(known_divisor(call)) {
  summary_.non_finite_rows.reserve(static_cast<std::size_t>(call.rows));
}

ComputeStatus LinearRun::step() {
  const ComputeStatus status = next_ < call_.rows ? compute_chunk() : ComputeStatus::kOk;
  if (status == ComputeStatus::kOk && next_ == call_.rows) end_pass();
  return status;
}

ComputeStatus LinearRun::compute_chunk() {
  next_ = chunks_->take(next_);
  if (chunks_->rows().count() == 0) return ComputeStatus::kOk;
  ComputeStatus status = chunks_->compute_logits();
  if (status != ComputeStatus::kOk) return status;
  if (pass_ == Pass::kLoss) return compute_loss();
  status = chunks_->compute_rows(false, 1);
  chunks_->rows().add_to(totals_);
  return status;
}

ComputeStatus LinearRun::compute_loss() {
  ComputeStatus status = chunks_->compute_rows(differentiates(), divisor_);
  if (status != ComputeStatus::kOk) return status;
  chunks_->rows().scatter(summary_);
  chunks_->rows().add_to(totals_);
  if (differentiates()) status = chunks_->compute_gradients(is_first_);
  is_first_ = false;
  return status;
}

void LinearRun::end_pass() {
  if (pass_ == Pass::kWeights) {
    divisor_ = reduction_divisor(call_, 0, totals_.weights);
    totals_ = LossTotals{};
    next_ = 0;
    pass_ = Pass::kLoss;
    return;
  }
  if (is_first_ && differentiates()) chunks_->clear_gradients(); // no row counts
  chunks_->finish_gradients();
  clear_ignored_rows();
  totals_.summarize(call_.reduction, divisor_, summary_);
  is_done_ = true;
}

// Rows that no chunk has: no logits of theirs are computed.
void LinearRun::clear_ignored_rows() const {
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

ComputeStatus compute_linear(const LinearProblem& problem, const LinearOutputs& outputs, LossSummary& summary,
                             const std::atomic<std::int32_t>* abort) {
  summary = LossSummary{};
  try {
    LinearRun run(problem, outputs, abort);
    while (!run.is_done()) {
      const ComputeStatus status = run.step();
      if (status != ComputeStatus::kOk) return status;
    }
    summary = run.take_summary();
    return ComputeStatus::kOk;
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
}

} // namespace fused_bear_loss
