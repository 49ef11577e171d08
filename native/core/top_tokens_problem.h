// One call of topTokens: the beam_width most probable tokens of each row, with their log-probabilities.
#pragma once

#include "native/core/logit_rows.h"

namespace fused_bear_loss {

struct TopTokensProblem : LogitRows {
  // The logits are those of the allowed tokens only, entry by entry of allowed_tokens from allowed_offsets[0] to
  // allowed_offsets[rows]; then row_stride means nothing.
  bool listed_logits = false;
};

// Best token first, at equal logits the lower id. Rows with fewer tokens are filled up with id -1 and -infinity; rows
// with NaN or +infinity among their allowed logits have id -1 and NaN throughout.
struct TopTokensOutputs {
  std::int32_t* tokens = nullptr;     // [rows, beam_width]
  float* log_probabilities = nullptr; // [rows, beam_width]
  float* log_sum_exp = nullptr;       // [rows]
};

} // namespace fused_bear_loss
