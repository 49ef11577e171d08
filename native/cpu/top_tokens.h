// What those of topTokens' calls need that compute some of the rows at a time.
#pragma once

#include "native/core/top_tokens_problem.h"

namespace fused_bear_loss {

// Takes the memory that the calling thread needs for any row of the problem: compute_top_tokens() then cannot fail for
// want of memory, of these rows or of some of them. Throws std::bad_alloc.
void reserve_top_tokens(const TopTokensProblem& problem);

} // namespace fused_bear_loss
