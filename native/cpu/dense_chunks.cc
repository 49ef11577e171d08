// Chunks in which every token has a logit.
#include <algorithm>
#include <vector>

#include "native/core/dtype.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/linear_chunks.h"
#include "native/cpu/loss_rows.h"
#include "native/cpu/product_blocks.h"
#include "native/cpu/tile_products.h"

namespace fused_bear_loss {
namespace {

// Rows that are summed up together, and therefore in one chunk.
std::int64_t summed_rows(const LinearProblem& call, const LinearOutputs& outputs) {
  if constexpr (kMayHaveTiles) {
    const bool are_many =
        outputs.grad_weight != nullptr && tiles_sum_rows(call.operand_dtype, call.hidden_size, call.vocab_size);
    if (are_many) return kSummedRows;
  }
  return 1;
}

// As many chunks as the workspace makes necessary, each of about the same size; of whole panels of hidden states, where
// there is room for one.
std::int64_t rows_per_chunk(const LinearProblem& call, const LinearOutputs& outputs) {
  const std::int64_t least = summed_rows(call, outputs);
  const std::int64_t room = std::max(least, call.workspace_floats / linear_row_floats(call.vocab_size));
  const std::int64_t panel = matrix_kernel().panel_columns;
  const std::int64_t unit = room < panel ? least : panel;
  const std::int64_t most = room / unit * unit;
  const std::int64_t counted = std::max<std::int64_t>(1, counted_rows(call));
  const std::int64_t even = blocks_of(counted, blocks_of(counted, most));
  return std::min(most, rounded_up(even, unit));
}

class DenseChunks final : public LinearChunks {
 public:
  DenseChunks(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort,
              std::int64_t most_rows)
      : LinearChunks(call, outputs, abort, most_rows),
        stride_(linear_row_floats(call.vocab_size)),
        packed_memory_(static_cast<std::size_t>(packed_floats(most_rows, call.hidden_size)) + kLineFloats),
        packed_(line_start(packed_memory_)) {
    const std::int64_t needed = std::min(most_rows, counted_rows(call)) * stride_;
    if (needed > call.workspace_floats) {
      own_workspace_.resize(static_cast<std::size_t>(needed + kLineFloats));
      workspace_ = line_start(own_workspace_);
    }
    reserve_product_scratch(most_rows, weight(), call.threads);
  }

  std::int64_t take(std::int64_t next) override {
    rows_.begin(next);
    for (; next < call_.rows && rows_.has_room(next); ++next) {
      if (rows_.is_counted(next)) rows_.add(next);
    }
    rows_.gather();
    return next;
  }

  ComputeStatus compute_logits() override {
    return multiply_to_logits(hidden(0), rows_.count(), weight(), call_.vocab_size, call_.bias, packed_, workspace_,
                              stride_, threads_);
  }

  ComputeStatus compute_rows(bool gradient, double divisor) override {
    LossProblem problem = rows_.problem(0, rows_.count());
    problem.logits = workspace_;
    problem.row_stride = stride_;
    problem.allowed_bitmask = rows_.bitmask();
    LossOutputs outputs = rows_.outputs(0);
    if (gradient) {
      problem.gradient = GradientMode::kInPlace;
      outputs.grad_logits = workspace_;
      outputs.grad_row_stride = stride_;
    }
    return compute_some_rows(problem, outputs, divisor, rows_.summaries(), abort_);
  }

  TopTokensProblem ordered_logits() override {
    TopTokensProblem problem = ordered_rows();
    problem.logits = workspace_;
    problem.row_stride = stride_;
    problem.allowed_bitmask = rows_.bitmask();
    return problem;
  }

  ComputeStatus compute_gradients(bool first) override {
    ComputeStatus status = ComputeStatus::kOk;
    if (outputs_.grad_hidden != nullptr) {
      status = multiply_to_hidden(workspace_, stride_, rows_.count(), weight(), call_.vocab_size, hidden_gradient(0),
                                  threads_);
    }
    const bool is_all = outputs_.grad_weight == nullptr && outputs_.grad_bias == nullptr;
    if (status != ComputeStatus::kOk || is_all) return status;
    return multiply_to_weight(workspace_, stride_, hidden(0), rows_.count(), call_.vocab_size, packed_,
                              {outputs_.grad_weight, outputs_.grad_bias, first}, threads_);
  }

 private:
  const std::int64_t stride_;
  std::vector<float> packed_memory_;
  float* const packed_;
  // The caller's, or one of its own: where rows that are summed up together do not fit in the caller's.
  float* workspace_ = call_.workspace;
  std::vector<float> own_workspace_;
};

} // namespace

std::unique_ptr<LinearChunks> dense_chunks(const LinearProblem& call, const LinearOutputs& outputs,
                                           const std::atomic<std::int32_t>* abort) {
  return std::make_unique<DenseChunks>(call, outputs, abort, rows_per_chunk(call, outputs));
}

} // namespace fused_bear_loss
