// What a call has for each row, in memory of its own: a job's, while JavaScript does what it likes with the caller's.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/loss_problem.h"

namespace fused_bear_loss {

// Copies the inputs of each row; has room for the outputs of each row that are wanted.
class OwnedRows {
 public:
  // Makes problem and outputs point here, but for the logits and their gradient. Throws std::bad_alloc.
  OwnedRows(LossProblem& problem, LossOutputs& outputs, std::int64_t allowed_token_count);
  OwnedRows(const OwnedRows&) = delete;
  OwnedRows& operator=(const OwnedRows&) = delete;

  // Copies what has been computed here to the outputs that the caller asked for.
  void copy_outputs(const LossOutputs& destination) const;

 private:
  std::vector<std::int32_t> targets_;
  std::vector<std::int32_t> allowed_offsets_;
  std::vector<std::int32_t> allowed_tokens_;
  std::vector<std::uint32_t> allowed_bitmask_;
  std::vector<float> token_weights_;
  std::vector<float> penalty_weights_;
  std::vector<float> grad_output_rows_;
  std::vector<float> row_losses_;
  std::vector<float> nll_;
  std::vector<float> log_sum_exp_;
  std::vector<float> threshold_;
  std::vector<float> margin_;
  std::vector<float> penalty_;
  std::vector<std::int32_t> rank_;
};

} // namespace fused_bear_loss
