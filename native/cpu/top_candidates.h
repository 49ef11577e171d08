// The largest logits seen so far in a row, as many as the threshold needs. The sweep compares each block with their
// bound and inserts the few logits above it. Included once per instruction set, after a simd_*.h header; no STL (see
// compiler.h).
#pragma once

#include <math.h>

#include "native/core/dtype.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {
namespace {

// An unsigned integer that orders as the float does; -0 and +0 give the same one. No NaN comes here.
FBL_ALWAYS_INLINE std::uint32_t ordered_key(float x) {
  const std::uint32_t bits = float_bits(x + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

FBL_ALWAYS_INLINE float from_ordered_key(std::uint32_t key) {
  return float_from_bits(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// How many of n values are at least `limit`.
inline std::int64_t count_at_least(const float* values, std::int64_t n, float limit) {
  const Vec limits = broadcast(limit);
  std::int64_t count = 0;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec x = load(values + i);
    count += __builtin_popcount(lane_bits(greater(x, limits)) | lane_bits(equal(x, limits)));
  }
  for (; i < n; ++i) count += values[i] >= limit ? 1 : 0;
  return count;
}

// The largest float that at least `wanted` of the n values reach, found by halving the interval of floats between
// `low`, which so many reach, and `high`: exact after at most 32 steps, a valid lower bound after any. No branch
// depends on the values, where a sorting insertion mispredicts one a value.
FBL_NEVER_INLINE inline float select_largest(const float* values, std::int64_t n, std::int64_t wanted, float low,
                                             float high, int steps) {
  std::uint32_t lowest = ordered_key(low);
  std::uint32_t highest = ordered_key(high);
  for (; steps > 0 && lowest < highest; --steps) {
    const std::uint32_t middle = highest - (highest - lowest) / 2;
    const bool reached = count_at_least(values, n, from_ordered_key(middle)) >= wanted;
    lowest = reached ? middle : lowest;
    highest = reached ? highest : middle - 1;
  }
  return from_ordered_key(lowest);
}

// Widths up to this are kept as a sorted list in registers, into which a logit goes by a few instructions without a
// branch: insertion by compare and move mispredicts, some 50 times a row of 32000 (1.3 of 7.8 microseconds, measured).
// Larger ones as an unsorted buffer that is cut down by selection when it is full, so that an ascending row, where
// every logit passes, costs a bounded number of steps a logit.
constexpr std::int64_t kListLength = 16;
constexpr std::int64_t kListVectors = kListLength / kLanes;

class TopCandidates {
 public:
  // Floats of storage that a width needs.
  static std::int64_t capacity(std::int64_t width) { return width <= kListLength ? 0 : 2 * width + 64; }

  TopCandidates(float* storage, std::int64_t width) : buffer_(storage), width_(width), capacity_(capacity(width)) {
    for (Vec& vector : list_) vector = broadcast(-INFINITY);
  }

  std::int64_t width() const { return width_; }

  // Only larger logits matter: at least `width` logits of the row are >= bound, or bound is -infinity.
  float bound() const { return bound_; }

  // Takes note that at least `width` of the row's logits reach `bound`.
  void raise_bound(float bound) { bound_ = bound > bound_ ? bound : bound_; }

  // A logit above the bound when the caller compared. It need not be any more: prune() may have raised the bound, and
  // memory that another thread writes to (a SharedArrayBuffer) may hold another number at the second read, a NaN too.
  // Then the result means nothing, but the storage must not overflow: the checks here rely on no earlier read.
  FBL_ALWAYS_INLINE_MEMBER void insert(float logit) {
    if (capacity_ != 0) {
      if (count_ == capacity_) prune();
      if (!(logit > bound_) || count_ == capacity_) return;
      buffer_[count_++] = logit;
      return;
    }
    const Vec x = broadcast(logit);
    Vec below = broadcast(INFINITY);
    for (Vec& vector : list_) {
      const Vec shifted = shift_lanes(vector, below);
      below = vector;
      vector = max(vector, min(shifted, x));
    }
  }

#if defined(__AVX512F__)
  bool has_buffer() const { return capacity_ != 0; }

  // Inserts what of kVectors vectors is above the bound into the buffer, which has room for so many more after it was
  // pruned. Returns the largest, or -infinity. Each logit is read once, so that no other thread can change it between.
  template <int kVectors, class Element>
  FBL_NEVER_INLINE float insert_vectors(const Element* logits) {
    if (count_ + kVectors * kLanes > capacity_) prune();
    const Vec bound = broadcast(bound_);
    float* end = buffer_ + count_; // a copy that no store can be taken to change
    Vec largest = broadcast(-INFINITY);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const Vec x = load(logits + v * kLanes);
      const Mask above = greater(x, bound);
      store(end, _mm512_maskz_compress_ps(above, x));
      end += __builtin_popcount(above);
      largest = FBL_INSTRUCTION_SET::select(above, max(x, largest), largest);
    }
    count_ = end - buffer_;
    return horizontal_max(largest);
  }
#endif

  // Raises the bound to what the logits so far allow.
  void update_bound() {
    if (capacity_ != 0) {
      if (count_ >= width_ + width_ / 2) prune();
      return;
    }
    float list[kListLength] = {};
    store_list(list);
    const float last = list[width_ - 1];
    bound_ = last > bound_ ? last : bound_;
  }

  // The end of insertions, before the questions below.
  void finish() {
    if (capacity_ != 0) return;
    store_list(list_values_);
    count_ = 0;
    while (count_ < kListLength && list_values_[count_] > -INFINITY) ++count_;
  }

  // The rank-th largest logit of the row (from 1, at most width), the smallest one above -infinity where the row has
  // fewer, -infinity where it has none.
  float largest(std::int64_t rank) const {
    rank = effective_rank(rank);
    if (rank == 0 || count_ < rank) return bound_;
    const float inserted = capacity_ == 0 ? list_values_[rank - 1] : select(rank, kExactSteps);
    return inserted < bound_ ? bound_ : inserted; // what equals the bound need not have been inserted
  }

  // The rank itself, or the number of logits above -infinity where the row has fewer.
  std::int64_t effective_rank(std::int64_t rank) const { return bound_ == -INFINITY && count_ < rank ? count_ : rank; }

  // Number of logits above `logit`, which is not below largest(width).
  std::int64_t count_above(float logit) const {
    const float* const values = capacity_ == 0 ? list_values_ : buffer_;
    std::int64_t above = 0;
    for (std::int64_t i = 0; i < count_; ++i) above += values[i] > logit ? 1 : 0;
    return above;
  }

  // Whether the row has at least two logits above -infinity; needs width >= 2.
  bool has_several() const { return count_ >= 2 || bound_ != -INFINITY; }

 private:
  void store_list(float* out) const {
    for (int v = 0; v < kListVectors; ++v) store(out + v * kLanes, list_[v]);
  }

  static constexpr int kExactSteps = 32;
  // Enough for a bound, unless the logits are of very different magnitudes.
  static constexpr int kBoundSteps = 14;

  float select(std::int64_t rank, int steps) const {
    // The last vector may overlap the one before it.
    const bool is_short = count_ < kLanes;
    const auto few = static_cast<int>(count_);
    Vec low = is_short ? load_first(buffer_, few, INFINITY) : load(buffer_ + count_ - kLanes);
    Vec high = is_short ? load_first(buffer_, few, -INFINITY) : low;
    for (std::int64_t i = 0; i + kLanes <= count_; i += kLanes) {
      const Vec x = load(buffer_ + i);
      low = min(x, low);
      high = max(x, high);
    }
    const Vec negated = subtract(broadcast(0), low);
    return select_largest(buffer_, count_, rank, -horizontal_max(negated), horizontal_max(high), steps);
  }

  FBL_NEVER_INLINE void prune() {
    keep_above(select(width_, kBoundSteps));
    if (count_ > width_ + width_ / 4) keep_above(select(width_, kExactSteps));
  }

  void keep_above(float bound) {
    raise_bound(bound);
    std::int64_t kept = 0;
    std::int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + kLanes <= count_; i += kLanes) {
      const Vec x = load(buffer_ + i);
      const Mask above = greater(x, broadcast(bound_));
      store(buffer_ + kept, _mm512_maskz_compress_ps(above, x));
      kept += __builtin_popcount(above);
    }
#endif
    for (; i < count_; ++i) {
      buffer_[kept] = buffer_[i];
      kept += buffer_[i] > bound_ ? 1 : 0;
    }
    count_ = kept;
  }

  Vec list_[kListVectors]; // descending
  float list_values_[kListLength] = {};
  float* buffer_;
  std::int64_t width_;
  std::int64_t capacity_; // 0: the list is in use
  std::int64_t count_ = 0;
  float bound_ = -INFINITY;
};

} // namespace
} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
