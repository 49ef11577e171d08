// One call of the linear form: the loss of logits = hidden weight^T + bias that are never all there at a time.
#pragma once

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
  bool accumulate = false;               // adds to the gradients
  // Memory for the logits of some rows, from the start of a cache line: at least linear_row_floats().
  float* workspace = nullptr;
  std::int64_t workspace_floats = 0;
};

struct LinearOutputs {
  LossOutputs rows;             // without grad_logits
  void* grad_hidden = nullptr;  // [rows, hidden_size] in operand_dtype; null: not wanted, as below
  float* grad_weight = nullptr; // [vocab_size, hidden_size]
  float* grad_bias = nullptr;   // [vocab_size]
};

constexpr std::int64_t kLineFloats = 16;

// Floats of the workspace that a row of logits takes: whole lines of the cache.
inline std::int64_t linear_row_floats(std::int64_t vocab_size) {
  return (vocab_size + kLineFloats - 1) / kLineFloats * kLineFloats;
}

} // namespace fused_bear_loss
