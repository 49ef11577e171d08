// Chunks in which every token has a logit.
#include <algorithm>
#include <vector>

#include "native/core/dtype.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/linear_chunks.h"
#include "native/cpu/loss_rows.h"

namespace fused_bear_loss {
namespace {

std::int64_t divided_up(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

// As many chunks as the workspace makes necessary, each of about the same size; of whole panels of hidden states, where
// there is room for one.
std::int64_t rows_per_chunk(const LinearProblem& call) {
  const std::int64_t room = std::max<std::int64_t>(1, call.workspace_floats / linear_row_floats(call.vocab_size));
  const std::int64_t panel = matrix_kernel().panel_columns;
  const std::int64_t most = room < panel ? room : room / panel * panel;
  const std::int64_t counted = std::max<std::int64_t>(1, counted_rows(call));
  const std::int64_t even = divided_up(counted, divided_up(counted, most));
  return room < panel ? even : std::min(most, divided_up(even, panel) * panel);
}

class DenseChunks final : public LinearChunks {
 public:
  DenseChunks(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort,
              std::int64_t most_rows)
      : LinearChunks(call, outputs, abort, most_rows),
        stride_(linear_row_floats(call.vocab_size)),
        packed_memory_(static_cast<std::size_t>(packed_floats(most_rows, call.hidden_size)) + kLineFloats),
        packed_(line_start(packed_memory_)) {
    reserve_product_scratch(most_rows, call.hidden_size, call.threads);
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
    return multiply_to_logits(hidden(0), rows_.count(), weight(), call_.vocab_size, call_.bias, packed_,
                              call_.workspace, stride_, threads_);
  }

  ComputeStatus compute_rows(bool gradient, double divisor) override {
    LossProblem problem = rows_.problem(0, rows_.count());
    problem.logits = call_.workspace;
    problem.row_stride = stride_;
    problem.allowed_bitmask = rows_.bitmask();
    LossOutputs outputs = rows_.outputs(0);
    if (gradient) {
      problem.gradient = GradientMode::kInPlace;
      outputs.grad_logits = call_.workspace;
      outputs.grad_row_stride = stride_;
    }
    return compute_some_rows(problem, outputs, divisor, rows_.summaries(), abort_);
  }

  TopTokensProblem ordered_logits() override {
    TopTokensProblem problem = ordered_rows();
    problem.row_stride = stride_;
    problem.allowed_bitmask = rows_.bitmask();
    return problem;
  }

  ComputeStatus compute_gradients(bool first) override {
    ComputeStatus status = ComputeStatus::kOk;
    if (outputs_.grad_hidden != nullptr) {
      status = multiply_to_hidden(call_.workspace, stride_, rows_.count(), weight(), call_.vocab_size,
                                  hidden_gradient(0), threads_);
    }
    const bool is_all = outputs_.grad_weight == nullptr && outputs_.grad_bias == nullptr;
    if (status != ComputeStatus::kOk || is_all) return status;
    return multiply_to_weight(call_.workspace, stride_, hidden(0), rows_.count(), call_.vocab_size, packed_,
                              {outputs_.grad_weight, outputs_.grad_bias, first}, threads_);
  }

 private:
  const std::int64_t stride_;
  std::vector<float> packed_memory_;
  float* const packed_;
};

} // namespace

std::unique_ptr<LinearChunks> dense_chunks(const LinearProblem& call, const LinearOutputs& outputs,
                                           const std::atomic<std::int32_t>* abort) {
  return std::make_unique<DenseChunks>(call, outputs, abort, rows_per_chunk(call));
}

} // namespace fused_bear_loss
