// One call of the linear form, a chunk of rows at a time (docs/linear.md).
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "native/core/backend.h"
#include "native/cpu/linear_chunks.h"

namespace fused_bear_loss {

class LinearRun {
 public:
  // Problem and outputs stay where they are while it runs. Throws std::bad_alloc.
  LinearRun(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort);

  bool is_done() const { return is_done_; }
  // Computes the next chunk. Throws std::bad_alloc, before the first chunk writes.
  ComputeStatus step();
  // Of all rows, when it is done.
  LossSummary take_summary() { return std::move(summary_); }

 private:
  enum class Pass { kWeights, kLoss };

  ComputeStatus compute_chunk();
  ComputeStatus compute_loss();
  void end_pass();
  void clear_ignored_rows() const;
  bool differentiates() const { return call_.gradient != GradientMode::kNone; }

  const LinearProblem& call_;
  const LinearOutputs& outputs_;
  const std::unique_ptr<LinearChunks> chunks_;
  // The divisor of the weighted mean is a sum over all rows, which every gradient needs.
  Pass pass_;
  std::int64_t next_ = 0; // row
  bool is_first_;         // of the sums over rows nothing is there yet
  bool is_done_ = false;
  double divisor_;
  LossTotals totals_;
  LossSummary summary_;
};

} // namespace fused_bear_loss
