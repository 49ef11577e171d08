// The sweep of a plain row: no list of tokens, no bitmask, no cap, no label smoothing, no rank. What it finds is what
// RowSweep finds, bit for bit.
#pragma once

#include "native/cuda/kernels/plain_tiles.h"
#include "native/cuda/kernels/slice_sums.h"
#include "native/cuda/kernels/top_queue.h"

namespace fused_bear_loss::cuda {

// The tile of a slice in which the thread has a vector; -1: another thread has it, or none of the slice's.
FBL_DEVICE int tile_with_own(int vector, Slice slice) {
  if (vector < slice.begin || vector >= slice.end) return -1;
  const int in_tile = (vector - slice.begin) & (tile_step() - 1); // a power of two
  const int from_own = in_tile - own_place();
  const bool is_own = from_own >= 0 && from_own < kTileVectors * kWarpSize && from_own % kWarpSize == 0;
  return is_own ? vector - in_tile : -1;
}

template <class Element, class Tiles>
class PlainSweep {
 public:
  static constexpr int kLength = Packing<Element>::kLength;

  FBL_DEVICE PlainSweep(const PlainRow<Element>& row, const CappedLogits& capping, TopQueue& queue)
      : row_(row), capping_(capping), queue_(queue) {}

  // The block's slice number `index`.
  FBL_DEVICE void sweep(Tiles tiles, Slice slice, int index) {
    ExponentialSum sum(capping_.scale, capping_.slack);
    SliceSums own = {};
    own.max_others = -infinity();
    const int target_base = tile_with_own(row_.target / kLength, slice);
    tiles.fetch(slice.begin);
#pragma unroll 1
    for (int base = slice.begin; base < slice.end; base += tile_step()) {
      uint4 raw[kTileVectors];
      tiles.take(base, raw);
      tiles.fetch(base + tile_step());
      if (base == target_base) take_target(base, raw);
      const float largest = largest_of<Element>(raw);
      own.max_others = fmaxf(own.max_others, largest);
      queue_.update(largest, slice.end - base, MaximaOnly());
      if (largest > fminf(queue_.bound(), sum.near_limit())) {
        if (largest > queue_.bound()) insert_tile(raw);
        if (largest > sum.limit()) sum.move_base(largest);
        if (!sum.has_near_base()) add_far(raw, sum);
      }
#pragma unroll
      for (int u = 0; u < kTileVectors; ++u) {
        float x[kLength];
        Packing<Element>::unpack(raw[u], x);
        sum.add_near(x);
      }
    }
    put_warp_sums(own, sum, capping_, index, false);
  }

 private:
  // The target stays out of the sum, so that 1 - p_y has its full relative accuracy where p_y is near 1.
  FBL_DEVICE void take_target(int base, uint4 (&raw)[kTileVectors]) {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      uint4 others = raw[0];
      if (tile_vector(base, u) == row_.target / kLength) {
        const float logit = take_element<Element>(others, row_.target % kLength);
        put_target(logit, row_.target);
        queue_.insert(logit);
      }
      rotate(raw, others);
    }
  }

  FBL_DEVICE void insert_tile(uint4 (&raw)[kTileVectors]) {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      const uint4 vector[] = {raw[0]};
      if (largest_of<Element>(vector) > queue_.bound()) {
        float x[kLength];
        Packing<Element>::unpack(raw[0], x);
#pragma unroll
        for (int e = 0; e < kLength; ++e) queue_.insert(x[e]);
      }
      rotate(raw, raw[0]);
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
  TopQueue& queue_;
};

} // namespace fused_bear_loss::cuda
