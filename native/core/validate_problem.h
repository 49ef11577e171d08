// Checks of the values inside a problem's integer arrays: what would send a kernel out of bounds.
// TypeScript has checked shapes, dtypes and scalar options before; these loops are here because they touch every
// target and every allowed id, at native speed, and before anything is written.
#pragma once

#include <cstdint>

#include "native/core/loss_problem.h"
#include "native/core/vocabulary_part.h"

namespace fused_bear_loss {

// The order of the enumerators is the order of kFaultNames in option_names.h, which is what crosses to JavaScript.
enum class ProblemError : std::int32_t {
  kNone,
  kTargetOutOfRange, // a target that is neither ignore_index nor in [0, vocab_size)
  kTargetNotAllowed, // a counted row's target is not among its allowed tokens
  kAllowedOffsetsNotAscending,
  kAllowedOffsetsRange,       // offsets do not start at 0, or do not end at the number of tokens
  kAllowedTokensNotAscending, // unsorted or repeated ids within a row
  kAllowedTokenOutOfRange,
  kAllowedRowEmpty, // a counted row without any allowed token
};

struct ProblemFault {
  ProblemError error = ProblemError::kNone;
  std::int64_t row = -1;  // the first faulty row
  std::int64_t value = 0; // the offending target, token or offset
};

// The first fault in row order, or kNone. `allowed_token_count` is the length of allowed_tokens.
ProblemFault find_fault(const LossProblem& problem, std::int64_t allowed_token_count);

// The same for the logits of a part: targets and lists are ids of the whole vocabulary, a bitmask is the part's own.
ProblemFault find_fault(const LossProblem& problem, std::int64_t allowed_token_count, const VocabularyPart& part);

// The same for the constraint alone; rows without an allowed token are sound.
ProblemFault find_constraint_fault(const LogitRows& rows, std::int64_t allowed_token_count);

} // namespace fused_bear_loss
