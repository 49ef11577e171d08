// One call of topTokens, as the fuzzer's bytes describe it.
#pragma once

#include <cstdint>

#include "test/fuzz/core/rows_case.h"

namespace fused_bear_loss::fuzz {

// Bytes of a case but for its single logits.
constexpr std::size_t kTopTokensFieldBytes = 24;

struct TopTokensCase {
  RowsCase rows;
  bool listed_logits = false; // the caller has only the logits of the listed tokens
  std::uint8_t variant = 0;   // which other way to the same results is taken
};

TopTokensCase read_top_tokens_case(const std::uint8_t* data, std::size_t size);

// By the rules of top_tokens_problem.h and a full sort, in float64.
struct TopTokensReference {
  std::vector<std::int32_t> tokens;      // [rows, beam_width]
  std::vector<double> log_probabilities; // [rows, beam_width]
  std::vector<double> log_sum_exp;       // [rows]
  std::vector<double> largest_scaled;    // [rows], of the magnitudes
};
TopTokensReference top_tokens_reference(const RowsCase& rows);

} // namespace fused_bear_loss::fuzz
