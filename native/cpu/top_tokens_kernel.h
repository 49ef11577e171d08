// The vector work on one row of topTokens: what is compiled once per instruction set and chosen at run time.
#pragma once

#include <cstdint>

#include "native/cpu/row_kernel.h"

namespace fused_bear_loss {

// A logit and its position in the row as one number: of two, the larger has the larger logit, or at equal logits the
// lower position.
using TokenKey = std::uint64_t;

struct TopTokensFound {
  float reference_logit = 0;
  float max_logit = 0;
  float target_logit = 0; // where the row has a target
  double sum = 0;         // over the row without the target of exp(u_j - u_reference)
  std::int64_t count = 0; // keys written; 0 where every logit is -infinity
  bool poisoned = false;  // NaN or +infinity in the row
};

struct TopTokensKernel {
  // What `candidates` and `keys` of select() must hold.
  std::int64_t (*candidate_capacity)(std::int64_t width);
  std::int64_t (*key_capacity)(std::int64_t width);
  // Finds log-sum-exp and the keys of the `width` largest logits above -infinity in one pass; `width` is at most the
  // row's length. The keys come in no order. A target is among the logits that it selects from.
  void (*select)(const RowView& row, const LogitScale& scale, std::int64_t width, float* candidates, TokenKey* keys,
                 TopTokensFound& found);
  float (*logit_of)(TokenKey key);
};

FBL_SHARED_INLINE std::uint32_t position_of(TokenKey key) { return ~static_cast<std::uint32_t>(key); }

#define FBL_DECLARE_TOP_TOKENS_KERNEL(instruction_set) \
  namespace instruction_set {                          \
  extern const TopTokensKernel top_tokens_kernel;      \
  }
FBL_DECLARE_TOP_TOKENS_KERNEL(baseline)
FBL_DECLARE_TOP_TOKENS_KERNEL(avx2)
FBL_DECLARE_TOP_TOKENS_KERNEL(avx512)
FBL_DECLARE_TOP_TOKENS_KERNEL(neon)
#undef FBL_DECLARE_TOP_TOKENS_KERNEL

} // namespace fused_bear_loss
