// Writes the gradient of a plain row: what GradientSweep writes of it, bit for bit.
#pragma once

#include "native/cuda/kernels/exponential_sum.h"
#include "native/cuda/kernels/gradient_sweep.h"
#include "native/cuda/kernels/plain_sweep.h"

namespace fused_bear_loss::cuda {

template <class Element, class Tiles>
class PlainGradient {
 public:
  static constexpr int kLength = Packing<Element>::kLength;

  FBL_DEVICE PlainGradient(const PlainRow<Element>& row, float scale, const GradientFactors& factors)
      : row_(row),
        scale_(scale),
        exponent_(factors.base.exponent),
        constant_(factors.constant),
        offset_(factors.offset),
        factors_(factors) {}

  // So many vectors are in shared memory: whole tiles, or the row. Begins with its end: of what is read again, what was
  // read last is the likeliest to be in the second-level cache.
  FBL_DEVICE void run(Tiles& tiles, int kept) const {
    const bool near = factors_.kind == kFormula && is_near(factors_.base);
    const int target_base = factors_.kind == kFormula ? tile_with_own(row_.target / kLength) : -1;
    int base = (row_.vectors() - 1) / tile_step() * tile_step();
    if (base >= kept) tiles.fetch(base, true);
#pragma unroll 1
    for (; base >= 0; base -= tile_step()) {
      uint4 raw[kTileVectors];
      if (base < kept) {
        tiles.recall(base, raw);
      } else {
        tiles.take(base, raw);
        if (base - tile_step() >= kept) tiles.fetch(base - tile_step(), true);
      }
      if (near) {
#pragma unroll
        for (int u = 0; u < kTileVectors; ++u) put_near(raw[u]);
      } else {
        put_others(raw);
      }
      if (base == target_base) put_target(base, raw);
      tiles.put(base, raw);
    }
  }

 private:
  FBL_DEVICE void put_near(uint4& raw) const {
    float x[kLength];
    Packing<Element>::unpack(raw, x);
    const ExponentBase base = {0, exponent_};
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      x[e] = fmaf(exp2_approximate(near_exponent(base, x[e], scale_)), constant_, offset_);
    }
    raw = Packing<Element>::pack(x);
  }

  // Of a poisoned row, or of one whose logits are far from 0.
  FBL_DEVICE void put_others(uint4 (&raw)[kTileVectors]) const {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      float x[kLength];
      Packing<Element>::unpack(raw[0], x);
#pragma unroll 1
      for (int e = 0; e < kLength; ++e) rotate(x, other_entry(x[0]));
      rotate(raw, Packing<Element>::pack(x));
    }
  }
  FBL_DEVICE float other_entry(float x) const {
    if (factors_.kind == kPoisoned) return factors_.all_masked != 0 || x != -infinity() ? not_a_number() : 0;
    return fmaf(exp2_approximate(exponent_of(factors_.base, x, scale_)), factors_.constant, factors_.offset);
  }

  FBL_DEVICE void put_target(int base, uint4 (&raw)[kTileVectors]) const {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      uint4 vector = raw[0];
      if (tile_vector(base, u) == row_.target / kLength)
        put_element<Element>(vector, row_.target % kLength, factors_.target);
      rotate(raw, vector);
    }
  }

  const PlainRow<Element>& row_;
  const float scale_;
  const float exponent_;
  const float constant_;
  const float offset_;
  const GradientFactors& factors_; // in shared memory: what is rarely asked for stays there
};

} // namespace fused_bear_loss::cuda
