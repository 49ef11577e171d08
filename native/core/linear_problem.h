// One call of the linear form: the loss of logits = hidden weight^T + bias that are never all there at a time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "native/core/loss_problem.h"

namespace fused_bear_loss {

// The logits of the base are its own: `logits`, `row_stride` and `dtype` mean nothing, and `gradient` is kNone or not.
struct LinearProblem : LossProblem {
  std::int64_t hidden_size = 0;
  DType operand_dtype = DType::kFloat32; // of hidden and weight: kFloat32 or kBFloat16
  const void* hidden = nullptr;          // [rows, hidden_size]
  const void* weight = nullptr;          // [vocab_size, hidden_size]
  const float* bias = nullptr;           // [vocab_size] or null
  const float* allowed_bias = nullptr;   // [allowed_offsets[rows]] or null: added to a row's own logits
  bool accumulate = false;               // adds to the gradients
  // Memory for the logits of some rows, from the start of a cache line: at least linear_row_floats().
  float* workspace = nullptr;
  std::int64_t workspace_floats = 0;
};

struct LinearOutputs {
  LossOutputs rows;                   // without grad_logits
  void* grad_hidden = nullptr;        // [rows, hidden_size] in operand_dtype; null: not wanted, as below
  float* grad_weight = nullptr;       // [weight_rows, hidden_size]
  float* grad_bias = nullptr;         // [vocab_size]
  float* grad_allowed_bias = nullptr; // [allowed_offsets[rows]]
  std::int64_t weight_rows = 0;       // vocab_size, or where it is sparse as many as weight_tokens
  bool weight_is_sparse = false;
  // Where it is: the tokens of the rows, ascending, with every one of the lists among them.
  const std::int32_t* weight_tokens = nullptr;
  bool weight_is_zero = false; // whether grad_weight is so where nothing is accumulated

  bool has_gradient() const {
    return grad_hidden != nullptr || grad_weight != nullptr || grad_bias != nullptr || grad_allowed_bias != nullptr;
  }
};

constexpr std::int64_t kLineFloats = 16;

// Floats of the workspace that a row of logits takes: whole lines of the cache.
inline std::int64_t linear_row_floats(std::int64_t vocab_size) {
  return (vocab_size + kLineFloats - 1) / kLineFloats * kLineFloats;
}

// The same of a row with a list of so many tokens: beside its logits there are its tokens' groups and their places
// there, and its hidden state. The workspace has the logits alone.
inline std::int64_t listed_row_floats(std::int64_t tokens, std::int64_t hidden_size) {
  return 3 * linear_row_floats(tokens) + hidden_size;
}

// Floats of the workspace that a call needs, at most `most`; 0 where that is too little for one of its rows.
inline std::int64_t linear_workspace_floats(const LinearProblem& problem, std::int64_t most) {
  const bool is_listed = problem.allowed_offsets != nullptr;
  std::int64_t least = is_listed ? kLineFloats : linear_row_floats(problem.vocab_size);
  double all = static_cast<double>(problem.rows) * static_cast<double>(least);
  for (std::int64_t row = 0; is_listed && row < problem.rows; ++row) {
    const std::int64_t tokens = problem.allowed_offsets[row + 1] - problem.allowed_offsets[row];
    least = std::max(least, linear_row_floats(tokens));
    all += static_cast<double>(listed_row_floats(tokens, problem.hidden_size));
  }
  if (most < least) return 0;
  return all < static_cast<double>(most) ? std::max(least, static_cast<std::int64_t>(all)) : most;
}

} // namespace fused_bear_loss
