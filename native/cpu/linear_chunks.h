// Chunks of rows of the linear form: their logits, and the gradients that come of them. Either every token has a logit,
// or those that lists allow.
#pragma once

#include <algorithm>
#include <memory>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/cpu/chunk_rows.h"
#include "native/cpu/matrix_products.h"

namespace fused_bear_loss {

class LinearChunks {
 public:
  LinearChunks(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort,
               std::int64_t most_rows)
      : call_(call),
        outputs_(outputs),
        abort_(abort),
        threads_{call.threads, abort},
        rows_(call, outputs.rows, most_rows) {}
  virtual ~LinearChunks() = default;

  ChunkRows& rows() { return rows_; }

  // Makes the next counted rows from `next` on the chunk; returns where the ones after them begin.
  virtual std::int64_t take(std::int64_t next) = 0;
  virtual ComputeStatus compute_logits() = 0;
  // Sweeps the rows; with a gradient makes their logits its entries.
  virtual ComputeStatus compute_rows(bool gradient, double divisor) = 0;
  // From the entries. `first`: of the sums over rows, these are the first.
  virtual ComputeStatus compute_gradients(bool first) = 0;
  // When there are no more rows.
  virtual void finish_gradients() {}
  // The chunk's logits in ascending order of rows. None is ignored, so that they are neighbours.
  virtual TopTokensProblem ordered_logits() = 0;
  // Makes the gradients 0 that are sums over rows, but for rows of the weight's that begin with their first sum.
  void clear_gradients() const {
    const auto clear = [](float* gradient, std::int64_t count) {
      if (gradient != nullptr) std::fill(gradient, gradient + count, 0.0F);
    };
    if (!outputs_.weight_is_zero && !weight_rows_begin_)
      clear(outputs_.grad_weight, outputs_.weight_rows * call_.hidden_size);
    clear(outputs_.grad_bias, call_.vocab_size);
    if (call_.allowed_offsets != nullptr) clear(outputs_.grad_allowed_bias, call_.allowed_offsets[call_.rows]);
  }

 protected:
  // Without their logits.
  TopTokensProblem ordered_rows() const {
    TopTokensProblem problem;
    static_cast<LogitRows&>(problem) = call_;
    problem.rows = rows_.count();
    problem.dtype = DType::kFloat32;
    problem.logits = call_.workspace;
    return problem;
  }

  MatrixRows weight() const { return {call_.weight, call_.operand_dtype, call_.hidden_size, nullptr}; }

  // The rows of the chunk from `first` on.
  MatrixRows hidden(std::int64_t first) const {
    const auto* const base =
        static_cast<const char*>(call_.hidden) + rows_.base() * call_.hidden_size * element_size(call_.operand_dtype);
    return {base, call_.operand_dtype, call_.hidden_size, rows_.positions() + first};
  }

  HiddenGradient hidden_gradient(std::int64_t first) const {
    auto* const base =
        static_cast<char*>(outputs_.grad_hidden) + rows_.base() * call_.hidden_size * element_size(call_.operand_dtype);
    return {base, call_.operand_dtype, call_.hidden_size, rows_.positions() + first, call_.accumulate};
  }

  const LinearProblem& call_;
  const LinearOutputs& outputs_;
  const std::atomic<std::int32_t>* const abort_;
  const ProductThreads threads_;
  ChunkRows rows_;
  bool weight_rows_begin_ = false;
};

// Throw std::bad_alloc; the members of what they make do not, but for what compute_rows() takes for itself
// before it writes.
std::unique_ptr<LinearChunks> dense_chunks(const LinearProblem& call, const LinearOutputs& outputs,
                                           const std::atomic<std::int32_t>* abort);
std::unique_ptr<LinearChunks> listed_chunks(const LinearProblem& call, const LinearOutputs& outputs,
                                            const std::atomic<std::int32_t>* abort);

inline std::unique_ptr<LinearChunks> make_chunks(const LinearProblem& call, const LinearOutputs& outputs,
                                                 const std::atomic<std::int32_t>* abort) {
  return call.allowed_offsets == nullptr ? dense_chunks(call, outputs, abort) : listed_chunks(call, outputs, abort);
}

} // namespace fused_bear_loss
