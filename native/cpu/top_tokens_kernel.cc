// The largest logits of one row with their positions, found by the sweep that sums its exponentials.
//
// This file is compiled once per instruction set with FBL_INSTRUCTION_SET naming it. It uses no STL and no inline
// function that another object could share (see compiler.h).

#include "native/cpu/top_tokens_kernel.h"

#include <math.h>

#include "native/cpu/row_sweep.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {
namespace {

TokenKey token_key(float logit, std::int64_t position) {
  return static_cast<TokenKey>(ordered_key(logit)) << 32 | ~static_cast<std::uint32_t>(position);
}

// The next float below, so that it is passed by logits that equal x. -infinity, and zeros of either sign, which no
// comparison tells apart, have their own answers.
float next_below(float x) {
  if (x == -INFINITY) return x;
  if (x == 0) return -0x1p-149f;
  return from_ordered_key(ordered_key(x) - 1);
}

// TopCandidates beside the positions of all logits that it was offered and that may still be among the largest.
class TokenCandidates {
 public:
  TokenCandidates(float* storage, TokenKey* keys, std::int64_t width)
      : top_(storage, width), keys_(keys), capacity_(key_capacity(width)) {}

  // compact() leaves at most width keys that equal the bound, and above it what TopCandidates holds after
  // update_bound(), at most 1.5 * width.
  static std::int64_t key_capacity(std::int64_t width) { return 3 * width + 64; }

  std::int64_t width() const { return top_.width(); }
  float bound() const { return top_.bound(); }
  void update_bound() { top_.update_bound(); }
  void finish() { top_.finish(); }
  float largest(std::int64_t rank) const { return top_.largest(rank); }

  // Logits that equal the bound must be seen, since their positions count.
  void raise_bound(float bound) { top_.raise_bound(next_below(bound)); }

  FBL_ALWAYS_INLINE_MEMBER void insert(float logit, std::int64_t position) {
    if (count_ == capacity_) compact();
    // Room there always is, unless another thread writes to the logits while they are read (see top_candidates.h).
    if (count_ == capacity_) return;
    keys_[count_++] = token_key(logit, position);
    top_.insert(logit);
  }

  // Kept apart, as its position would not be the lowest of all.
  FBL_ALWAYS_INLINE_MEMBER void insert_target(float logit, std::int64_t position) {
    target_ = token_key(logit, position);
    top_.insert(logit);
  }

  // Leaves the keys of the `width` largest; after finish(). Returns how many they are.
  std::int64_t take() {
    if (target_ != 0) put_target_in_order();
    keep(top_.largest(width()), top_.effective_rank(width()));
    return count_;
  }

 private:
  void put_target_in_order() {
    if (count_ == capacity_) compact();
    if (count_ == capacity_) return; // as in insert()
    std::int64_t i = count_++;
    for (; i > 0 && position_of(keys_[i - 1]) > position_of(target_); --i) keys_[i] = keys_[i - 1];
    keys_[i] = target_;
  }

  void compact() {
    top_.update_bound();
    keep(top_.bound(), count_);
  }

  // Keeps what is above the limit, and of what equals it the first, at most width; never more than `most` in all.
  // Positions rise from key to key.
  void keep(float limit, std::int64_t most) {
    const std::uint32_t limit_key = ordered_key(limit);
    std::int64_t above = 0;
    for (std::int64_t i = 0; i < count_; ++i) above += keys_[i] >> 32 > limit_key ? 1 : 0;
    std::int64_t equal = most - above < width() ? most - above : width();
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::uint32_t key = static_cast<std::uint32_t>(keys_[i] >> 32);
      const bool is_equal = key == limit_key && equal > 0;
      keys_[kept] = keys_[i];
      equal -= is_equal ? 1 : 0;
      kept += (key > limit_key || is_equal) && kept < most ? 1 : 0;
    }
    count_ = kept;
  }

  TopCandidates top_;
  TokenKey* keys_;
  std::int64_t capacity_;
  std::int64_t count_ = 0;
  TokenKey target_ = 0; // 0, the key of no finite logit: none
};

FBL_ALWAYS_INLINE void offer(TokenCandidates& top, float logit, std::int64_t position) { top.insert(logit, position); }
FBL_ALWAYS_INLINE void offer_target(TokenCandidates& top, float logit, std::int64_t position) {
  top.insert_target(logit, position);
}

// Of a part of a vocabulary: the largest beside the target, where there is one. Relative to a target that is e^87 times
// as probable the others would vanish in float32, though another part may have logits that make the row's gradient.
template <class Element>
FBL_NEVER_INLINE float choose_reference(const TokenCandidates&, const Row<Element>& row, std::int64_t begin,
                                        std::int64_t end, float largest) {
  const std::int64_t target_block = row.target / kBlock;
  if (target_block < begin || target_block >= end) return largest;
  float block[kBlock];
  load_block(row, target_block, block);
  float other = -INFINITY;
  for (const float logit : block) other = logit > other ? logit : other;
  const float before = max_of_blocks(row, begin, target_block);
  const float after = max_of_blocks(row, target_block + 1, end);
  other = before > other ? before : other;
  other = after > other ? after : other;
  return other == -INFINITY ? largest : other;
}

std::int64_t candidate_capacity(std::int64_t width) { return TopCandidates::capacity(width); }

std::int64_t key_capacity(std::int64_t width) { return TokenCandidates::key_capacity(width); }

void select(const RowView& view, const LogitScale& scale, std::int64_t width, float* candidates, TokenKey* keys,
            TopTokensFound& found) {
  with_scaling(scale, [&](auto scaling) {
    with_element(view.dtype, [&](auto element) {
      using Element = decltype(element);
      RowSums sums;
      RowSweep<false, scaling.value, Element, TokenCandidates> sweep(
          typed_row<Element>(view), scale, TokenCandidates(candidates, keys, width), nullptr, sums);
      NoCompanion none;
      sweep.run(none);
      found.poisoned = sums.poisoned;
      found.reference_logit = sums.reference_logit;
      found.target_logit = sums.target_logit;
      found.max_logit = sums.max_logit;
      found.sum = sums.sum_others;
      found.count = sums.poisoned || sweep.is_masked() ? 0 : sweep.top().take();
    });
  });
}

float logit_of(TokenKey key) { return from_ordered_key(static_cast<std::uint32_t>(key >> 32)); }

} // namespace

const TopTokensKernel top_tokens_kernel = {candidate_capacity, key_capacity, select, logit_of};

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
