// topTokens of the linear form on the CPU: the logits of some rows at a time.
#include <new>

#include "native/core/backend.h"
#include "native/cpu/linear_chunks.h"
#include "native/cpu/top_tokens.h"

namespace fused_bear_loss {

ComputeStatus compute_linear_top_tokens(const LinearProblem& problem, const TopTokensOutputs& outputs) {
  try {
    const LinearOutputs none;
    const std::unique_ptr<LinearChunks> chunks = make_chunks(problem, none, nullptr);
    TopTokensProblem all;
    static_cast<LogitRows&>(all) = problem;
    all.listed_logits = problem.allowed_offsets != nullptr;
    reserve_top_tokens(all);
    for (std::int64_t next = 0; next < problem.rows;) {
      const std::int64_t row = next;
      next = chunks->take(next);
      ComputeStatus status = chunks->compute_logits();
      if (status != ComputeStatus::kOk) return status;
      status = compute_top_tokens(chunks->ordered_logits(),
                                  {outputs.tokens + row * problem.beam_width,
                                   outputs.log_probabilities + row * problem.beam_width, outputs.log_sum_exp + row});
      if (status != ComputeStatus::kOk) return status;
    }
    return ComputeStatus::kOk;
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
}

} // namespace fused_bear_loss
