// The one pass over a block's part of a row: maximum and sum of exponentials without the target, the target's logit,
// the queue of the largest logits, and what rank and label smoothing ask for. It can keep the row on its way.
//
// Vector v of the slice belongs to thread v modulo the block's size, whatever the row's alignment, and a thread's sums
// are taken in the order of its vectors: the result depends on positions in the row only.
#pragma once

#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/row_view.h"
#include "native/cuda/kernels/top_queue.h"

namespace fused_bear_loss::cuda {

// Vectors that a thread asks for before it works on the first: 64 bytes in flight.
constexpr int kTileVectors = 4;

// A thread's reference is replaced where a logit is 2^8 times as probable; sums relative to it stay far from overflow.
constexpr float kReferenceSlack = 8;

template <class Element>
class RowSweep {
 public:
  static constexpr int kLength = RowView<Element>::kLength;

  FBL_DEVICE RowSweep(const RowView<Element>& view, Slice slice, const CappedLogits& capping, TopQueue& queue,
                      bool smoothing, float ranked_logit, uint4* kept)
      : view_(view),
        slice_(slice),
        capping_(capping),
        queue_(queue),
        smoothing_(smoothing),
        ranked_logit_(ranked_logit),
        kept_(kept) {}

  // `final_limit`: how many logits the queue may hold at the end.
  FBL_DEVICE void run(int final_limit) {
    const int step = thread_count() * kTileVectors;
    const bool may_overflow = (slice_.end - slice_.begin) * kLength > kQueueCapacity;
    int next_check = step;
#pragma unroll 1
    for (int base = slice_.begin;; base += step) {
      uint4 raw[kTileVectors];
      load_tile(base, raw);
      const bool at_end = base >= slice_.end;
      // After 1, 2, 4, 8... tiles: a row in random order has doubled since then, and brought about `width` new ones.
      const bool checks = base - slice_.begin >= next_check;
      if (checks) next_check *= 2;
      float largest = largest_of(raw[0]);
#pragma unroll
      for (int u = 1; u < kTileVectors; ++u) largest = fmaxf(largest, largest_of(raw[u]));
      queue_.update(
          largest, [&](const auto& visit) { visit_tile(raw, visit); }, may_overflow,
          at_end   ? final_limit
          : checks ? kQueuePruneCount
                   : kQueueCapacity);
      if (at_end) break;
        // A rolled loop, for the sake of the instruction cache; the vectors move up as registers have no index.
#pragma unroll 1
      for (int u = 0; u < kTileVectors; ++u) {
        const int vector = base + u * thread_count() + static_cast<int>(threadIdx.x);
        if (vector < slice_.end) add(raw[0], vector);
        raw[0] = raw[1];
        raw[1] = raw[2];
        raw[2] = raw[3];
      }
    }
  }

  // The block's share of the row, for thread 0 to read after the next barrier in BlockState::partial.
  FBL_DEVICE void reduce();

 private:
  // All of a tile is asked for before any of it is waited for. What is past the slice is masked.
  FBL_DEVICE void load_tile(int base, uint4 (&raw)[kTileVectors]) const {
    const bool all_wide = view_.wide && base + kTileVectors * thread_count() <= min(slice_.end, view_.count / kLength);
    if (all_wide) {
#pragma unroll
      for (int u = 0; u < kTileVectors; ++u) {
        raw[u] = load16(view_.address(base + u * thread_count() + static_cast<int>(threadIdx.x)));
      }
      if (view_.bitmask != nullptr) view_.apply_bitmask_to_tile(base + static_cast<int>(threadIdx.x), raw);
    } else {
#pragma unroll 1
      for (int u = 0; u < kTileVectors; ++u) {
        const int vector = base + u * thread_count() + static_cast<int>(threadIdx.x);
        raw[0] = raw[1];
        raw[1] = raw[2];
        raw[2] = raw[3];
        raw[3] = vector < slice_.end ? view_.load(vector) : masked_vector();
      }
    }
    if (kept_ == nullptr) return;
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      const int vector = base + u * thread_count() + static_cast<int>(threadIdx.x);
      if (vector < slice_.end) kept_[vector - slice_.begin] = raw[u];
    }
  }

  // Leaves the tile as it was.
  template <class Visit>
  static FBL_DEVICE void visit_tile(uint4 (&raw)[kTileVectors], const Visit& visit) {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      ElementWindow<Element> window(raw[0]);
#pragma unroll 1
      for (int e = 0; e < kLength; ++e) {
        visit(ordered_key(Packing<Element>::to_number(window.first())));
        window.push(0);
      }
      rotate(raw, raw[0]);
    }
  }

  static FBL_DEVICE uint4 masked_vector() {
    typename Packing<Element>::Bits bits[kLength];
#pragma unroll
    for (int e = 0; e < kLength; ++e) bits[e] = Packing<Element>::kMasked;
    return Packing<Element>::pack_bits(bits);
  }

  static FBL_DEVICE float largest_of(const uint4& raw) {
    float x[kLength];
    Packing<Element>::unpack(raw, x);
    return largest_of(x);
  }
  static FBL_DEVICE float largest_of(const float (&x)[kLength]) {
    float largest = x[0];
#pragma unroll
    for (int e = 1; e < kLength; ++e) largest = fmaxf(largest, x[e]);
    return largest;
  }

  FBL_DEVICE void add(const uint4& raw, int vector) {
    float x[kLength];
    Packing<Element>::unpack(raw, x);
    const int target_lane = view_.target_lane(vector);
    if (target_lane >= 0) take_target(x, vector, target_lane);
    float largest = largest_of(x);
    max_others_ = fmaxf(max_others_, largest);
    if (largest > queue_.bound()) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) queue_.insert(x[e]);
    }
    if (largest > ranked_logit_) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) above_ += x[e] > ranked_logit_ ? 1 : 0;
    }
    if (capping_.has_cap()) {
      capping_.cap_all(x);
      largest = capping_.capped(largest);
    }
    if (largest > limit_) replace_reference(largest);
    float sum = 0;
#pragma unroll
    for (int e = 0; e < kLength; ++e) sum += capping_.exponential(x[e], reference_);
    sum_ += sum;
    if (smoothing_) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) add_scaled(x[e]);
    }
  }

  // The target stays out of the sum, so that 1 - p_y has its full relative accuracy where p_y is near 1.
  FBL_DEVICE void take_target(float (&x)[kLength], int vector, int lane) {
    float logit = 0;
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      if (e == lane) {
        logit = x[e];
        x[e] = -infinity();
      }
    }
    BlockState& state = block_state();
    state.target_logit = logit;
    state.target_position = vector * kLength + lane;
    queue_.insert(logit);
    if (smoothing_) add_scaled(capping_.capped(logit));
  }

  FBL_DEVICE void replace_reference(float largest) {
    // A sum of 0 has nothing to be rescaled, and the first reference no finite ratio to none. A NaN stays.
    if (sum_ != 0) sum_ *= capping_.exponential(reference_, largest);
    reference_ = largest;
    limit_ = largest + kReferenceSlack / capping_.scale;
  }

  FBL_DEVICE void add_scaled(float capped_logit) {
    if (capped_logit == -infinity()) return;
    sum_scaled_ += static_cast<double>(capped_logit);
    ++allowed_;
  }

  const RowView<Element>& view_;
  const Slice slice_;
  const CappedLogits& capping_;
  TopQueue& queue_;
  const bool smoothing_;
  const float ranked_logit_; // +infinity: no rank is wanted
  uint4* const kept_;        // null: the row is not kept
  float max_others_ = -infinity();
  float sum_ = 0;
  float reference_ = 0;
  float limit_ = -infinity(); // a larger logit makes a new reference
  std::int32_t above_ = 0;
  std::int32_t allowed_ = 0;
  double sum_scaled_ = 0;
};

FBL_DEVICE float max_of_block(float value) {
  BlockState& state = block_state();
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  if (lane_index() == 0) state.warp_max[warp_index()] = value;
  __syncthreads();
#pragma unroll 1
  for (int warp = 0; warp < warp_count(); ++warp) value = fmaxf(value, state.warp_max[warp]);
  return value;
}

template <class Element>
FBL_DEVICE void RowSweep<Element>::reduce() {
  BlockState& state = block_state();
  SlicePartial partial = {};
  partial.max_others = max_of_block(max_others_);
  partial.sum_others = sum_ == 0 ? 0 : sum_ * capping_.exponential(reference_, capping_.capped(partial.max_others));
  partial.above = above_;
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    partial.sum_others += __shfl_xor_sync(kAllLanes, partial.sum_others, distance);
    partial.above += __shfl_xor_sync(kAllLanes, partial.above, distance);
  }
  if (smoothing_) {
    partial.sum_scaled = sum_scaled_;
    partial.allowed = allowed_;
#pragma unroll 1
    for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
      partial.sum_scaled += __shfl_xor_sync(kAllLanes, partial.sum_scaled, distance);
      partial.allowed += __shfl_xor_sync(kAllLanes, partial.allowed, distance);
    }
  }
  if (lane_index() == 0) state.warps[warp_index()] = partial;
  __syncthreads();
  if (threadIdx.x == 0) {
#pragma unroll 1
    for (int warp = 1; warp < warp_count(); ++warp) {
      const SlicePartial& other = state.warps[warp];
      partial.sum_others += other.sum_others;
      partial.above += other.above;
      partial.sum_scaled += other.sum_scaled;
      partial.allowed += other.allowed;
    }
    partial.target_logit = state.target_logit;
    partial.target_position = state.target_position;
    partial.bound = queue_.bound();
    partial.queued = state.queued;
    state.partial = partial;
  }
}

} // namespace fused_bear_loss::cuda
