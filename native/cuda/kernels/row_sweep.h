// The one pass over a row, with every option: maximum and sum of exponentials without the target,
// the target's logit, the queue of the largest logits, and what rank and label smoothing ask for. It can keep the row
// on its way. plain_sweep.h is its fast twin for rows without options.
#pragma once

#include "native/cuda/kernels/row_view.h"
#include "native/cuda/kernels/sweep_sums.h"
#include "native/cuda/kernels/top_queue.h"

namespace fused_bear_loss::cuda {

template <class Element>
class RowSweep {
 public:
  static constexpr int kLength = RowView<Element>::kLength;

  // `kept`: where the row is kept; null: nowhere.
  FBL_DEVICE RowSweep(const RowView<Element>& view, const CappedLogits& capping, TopQueue& queue, bool smoothing,
                      float ranked_logit, uint4* kept)
      : view_(view),
        capping_(capping),
        queue_(queue),
        smoothing_(smoothing),
        ranked_logit_(ranked_logit),
        kept_(kept) {}

  FBL_DEVICE void sweep() {
    const int end = view_.vectors();
    ExponentialSum sum(capping_.scale, capping_.slack);
    SweepSums own = {};
    own.max_others = -infinity();
#pragma unroll 1
    for (int base = 0; base < end; base += tile_step()) {
      uint4 raw[kTileVectors];
      load_tile(base, end, raw);
      take_target(base, end, raw, own);
      const float largest = largest_of<Element>(raw);
      own.max_others = fmaxf(own.max_others, largest);
      queue_.update(largest, end - base, [&](const auto& visit) { visit_tile(raw, visit); });
      const float capped_largest = capping_.capped(largest);
      if (capped_largest > sum.limit()) sum.move_base(capped_largest);
        // A rolled loop, for the sake of the instruction cache; the vectors move up as registers have no index.
#pragma unroll 1
      for (int u = 0; u < kTileVectors; ++u) {
        if (tile_vector(base, u) < end) add(raw[0], sum, own);
        rotate(raw, raw[0]);
      }
    }
    put_warp_sums(own, sum, capping_, smoothing_ || ranked_logit_ < infinity());
  }

 private:
  // What is past the row's end is masked.
  FBL_DEVICE void load_tile(int base, int end, uint4 (&raw)[kTileVectors]) const {
    const bool all_wide = view_.wide && base + tile_step() <= view_.count / kLength;
    if (all_wide) {
      // All of a tile is asked for before any of it is waited for.
#pragma unroll
      for (int u = 0; u < kTileVectors; ++u) raw[u] = load16(view_.address(tile_vector(base, u)));
      if (view_.bitmask != nullptr) view_.apply_bitmask_to_tile(base, raw);
    } else {
#pragma unroll 1
      for (int u = 0; u < kTileVectors; ++u) {
        const int vector = tile_vector(base, u);
        rotate(raw, vector < end ? view_.load(vector) : masked_vector<Element>());
      }
    }
    if (kept_ == nullptr) return;
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      const int vector = tile_vector(base, u);
      if (vector < end) kept_[vector] = raw[u];
    }
  }

  // Leaves the tile as it was.
  template <class Visit>
  static FBL_DEVICE void visit_tile(uint4 (&raw)[kTileVectors], const Visit& visit) {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      visit_keys<Element>(raw[0], visit);
      rotate(raw, raw[0]);
    }
  }

  // The target stays out of the sum, so that 1 - p_y has its full relative accuracy where p_y is near 1.
  FBL_DEVICE void take_target(int base, int end, uint4 (&raw)[kTileVectors], SweepSums& own) {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      const int vector = tile_vector(base, u);
      const int lane = vector < end ? view_.target_lane(vector) : -1;
      uint4 others = raw[0];
      if (lane >= 0) {
        const float logit = take_element<Element>(others, lane);
        put_target(logit, vector * kLength + lane);
        queue_.insert(logit);
        if (smoothing_) add_scaled(capping_.capped(logit), own);
      }
      rotate(raw, others);
    }
  }

  FBL_DEVICE void add(const uint4& raw, ExponentialSum& sum, SweepSums& own) {
    float x[kLength];
    Packing<Element>::unpack(raw, x);
    float largest = x[0];
#pragma unroll
    for (int e = 1; e < kLength; ++e) largest = fmaxf(largest, x[e]);
    if (largest > queue_.bound()) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) queue_.insert(x[e]);
    }
    if (largest > ranked_logit_) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) own.above += x[e] > ranked_logit_ ? 1 : 0;
    }
    if (capping_.has_cap()) capping_.cap_all(x);
    sum.add(x);
    if (smoothing_) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) add_scaled(x[e], own);
    }
  }

  static FBL_DEVICE void add_scaled(float capped_logit, SweepSums& own) {
    if (capped_logit == -infinity()) return;
    own.sum_scaled += static_cast<double>(capped_logit);
    ++own.allowed;
  }

  const RowView<Element>& view_;
  const CappedLogits& capping_;
  TopQueue& queue_;
  const bool smoothing_;
  const float ranked_logit_; // +infinity: no rank is wanted
  uint4* const kept_;        // null: the row is not kept
};

} // namespace fused_bear_loss::cuda
