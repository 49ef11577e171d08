// The sweep of a plain row: no list of tokens, no bitmask, no cap, no label smoothing, no rank. What it finds is what
// RowSweep finds, bit for bit.
#pragma once

#include "native/cuda/kernels/group_maxima.h"
#include "native/cuda/kernels/plain_tiles.h"
#include "native/cuda/kernels/sweep_sums.h"

namespace fused_bear_loss::cuda {

// The tile in which the thread has a vector; -1: another thread has it.
FBL_DEVICE int tile_with_own(int vector) {
  const int in_tile = vector & (tile_step() - 1); // a power of two
  const int from_own = in_tile - own_place();
  const bool is_own = from_own >= 0 && from_own < kTileVectors * kWarpSize && from_own % kWarpSize == 0;
  return is_own ? vector - in_tile : -1;
}

template <class Element, class Tiles>
class PlainSweep {
 public:
  static constexpr int kLength = Packing<Element>::kLength;

  // Vectors before `last_end` are not read from global memory again.
  FBL_DEVICE PlainSweep(const PlainRow<Element>& row, const CappedLogits& capping, GroupMaxima& maxima, int last_end)
      : row_(row), capping_(capping), maxima_(maxima), last_end_(last_end) {}

  // The first tile has been asked for. Returns the largest logit of the thread's share, without the target.
  FBL_DEVICE float sweep(Tiles& tiles) {
    ExponentialSum sum(capping_.scale, capping_.slack);
    SweepSums own = {};
    own.max_others = -infinity();
    const int target_base = tile_with_own(row_.target / kLength);
#pragma unroll 1
    for (int base = 0; base < row_.vectors(); base += tile_step()) {
      uint4 raw[kTileVectors];
      tiles.take(base, raw);
      tiles.fetch(base + tile_step(), base + tile_step() < last_end_);
      if (base == target_base) take_target(base, raw);
      const float largest = largest_of<Element>(raw);
      own.max_others = fmaxf(own.max_others, largest);
      maxima_.add(largest, base + tile_step());
      if (largest > sum.near_limit()) {
        if (largest > sum.limit()) sum.move_base(largest);
        if (!sum.has_near_base()) add_far(raw, sum);
      }
      __syncwarp(); // without it, lanes that went another way may stay apart for the rest of the row
#pragma unroll
      for (int u = 0; u < kTileVectors; ++u) {
        float x[kLength];
        Packing<Element>::unpack(raw[u], x);
        sum.add_near(x);
      }
    }
    put_warp_sums(own, sum, capping_, false);
    return own.max_others;
  }

 private:
  // The target stays out of the sum, so that 1 - p_y has its full relative accuracy where p_y is near 1.
  FBL_DEVICE void take_target(int base, uint4 (&raw)[kTileVectors]) {
    const std::int32_t target = block_state().target_token; // rarely: no register holds it meanwhile
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      uint4 others = raw[0];
      if (tile_vector(base, u) == target / kLength) {
        put_target(take_element<Element>(others, target % kLength), target);
      }
      rotate(raw, others);
    }
  }

  // Adds a tile, and masks it for who adds next.
  static FBL_DEVICE void add_far(uint4 (&raw)[kTileVectors], ExponentialSum& sum) {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      float x[kLength];
      Packing<Element>::unpack(raw[0], x);
      sum.add(x);
      rotate(raw, masked_vector<Element>());
    }
  }

  const PlainRow<Element>& row_;
  const CappedLogits& capping_;
  GroupMaxima& maxima_;
  const int last_end_;
};

} // namespace fused_bear_loss::cuda
