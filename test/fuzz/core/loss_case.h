// One call of the loss, as the fuzzer's bytes describe it.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/loss_problem.h"
#include "test/fuzz/core/rows_case.h"

namespace fused_bear_loss::fuzz {

// Bytes of a case but for its single logits.
constexpr std::size_t kLossFieldBytes = 45;

struct LossCase {
  RowsCase rows;
  LossProblem problem; // sizes and options, the gradient's mode not among them; its pointers are null
  std::vector<std::int32_t> targets;
  std::vector<float> token_weights;
  std::vector<float> penalty_weights;
  std::vector<float> grad_output_rows;
  std::int64_t gradient_padding = 0; // elements between rows of the gradient
  std::int64_t gradient_shift = 0;
  std::uint8_t missing_outputs = 0; // a bit for each output that the caller does not want
  std::uint8_t variant = 0;         // which other way to the same results is taken
};

// What the row is multiplied by: 1 without factors.
inline double factor_of(const std::vector<float>& factors, std::int64_t row) {
  return factors.empty() ? 1 : static_cast<double>(factors[static_cast<std::size_t>(row)]);
}

LossCase read_loss_case(const std::uint8_t* data, std::size_t size);

} // namespace fused_bear_loss::fuzz
