// Writes a row's gradient: from the logits that the block kept, or from global memory once more.
#pragma once

#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/exponential_sum.h"
#include "native/cuda/kernels/row_view.h"

namespace fused_bear_loss::cuda {

enum GradientKind : std::int32_t {
  kFormula,
  kZero,     // an ignored row, or one that the reduction leaves out
  kPoisoned, // NaN on A; where A has no member, NaN on what the constraint allows
  kFaulty,   // NaN everywhere, without a look at the row's list
};

// Where a row's gradient goes.
template <class Element>
struct GradientRow {
  typename Packing<Element>::Bits* out; // token 0
  std::int64_t vocab_size;
  bool wide;   // full vectors can be stored as such: aligned, and every token in its place
  bool sparse; // only listed tokens are written
};

// The same element in every place of a row, by all threads of the block.
template <class Element>
FBL_DEVICE void fill_row(const GradientRow<Element>& row, float value) {
  using Bits = typename Packing<Element>::Bits;
  constexpr int kLength = Packing<Element>::kLength;
  const Bits bits = Packing<Element>::to_bits(value);
  Bits copies[kLength];
#pragma unroll
  for (int e = 0; e < kLength; ++e) copies[e] = bits;
  const uint4 vector = Packing<Element>::pack_bits(copies);
  // A head and a tail an element at a time, and aligned vectors between them.
  const std::int64_t misaligned = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(row.out) % 16) /
                                  static_cast<std::int64_t>(sizeof(Bits));
  const std::int64_t head = min(misaligned == 0 ? 0 : kLength - misaligned, static_cast<long>(row.vocab_size));
  const std::int64_t vectors = (row.vocab_size - head) / kLength;
  const std::int64_t tail = head + vectors * kLength;
  const int threads = thread_count();
  const int first = static_cast<int>(threadIdx.x);
#pragma unroll 1
  for (std::int64_t i = first; i < head; i += threads) row.out[i] = bits;
#pragma unroll 1
  for (std::int64_t i = first; i < vectors; i += threads) store16(row.out + head + i * kLength, vector);
#pragma unroll 1
  for (std::int64_t i = tail + first; i < row.vocab_size; i += threads) row.out[i] = bits;
}

template <class Element>
class GradientSweep {
 public:
  static constexpr int kLength = RowView<Element>::kLength;
  using Bits = typename RowView<Element>::Bits;

  FBL_DEVICE GradientSweep(const RowView<Element>& view, const CappedLogits& capping, const GradientFactors& factors,
                           const uint4* kept, const GradientRow<Element>& row)
      : view_(view), capping_(capping), factors_(factors), kept_(kept), row_(row) {}

  // The entries of the row; for one with a list, those of its tokens alone.
  FBL_DEVICE void run() {
#pragma unroll 1
    for (int base = 0; base < view_.vectors(); base += tile_step()) {
      uint4 raw[kTileVectors];
      const bool is_loaded = load_wide_tile(base, raw);
#pragma unroll 1
      for (int u = 0; u < kTileVectors; ++u) {
        const int vector = tile_vector(base, u);
        if (vector < view_.vectors()) store(vector, is_loaded ? raw[0] : load(vector));
        rotate(raw, raw[0]);
      }
    }
  }

  // Zeros between the row's listed tokens. For rows that are not kept: what is listed may still have to be read.
  FBL_DEVICE void fill_gaps() const {
    const std::int32_t end = view_.count;
    // A warp takes 32 neighbours of the list, and fills the gap after each with all lanes.
#pragma unroll 1
    for (std::int32_t first = warp_index() * kWarpSize; first < end; first += thread_count()) {
      const std::int32_t own = first + lane_index();
      const std::int32_t from = own < end ? view_.token_at(own) + 1 : 0;
      const std::int32_t to = own >= end      ? 0
                              : own + 1 < end ? view_.token_at(own + 1)
                                              : static_cast<std::int32_t>(row_.vocab_size);
#pragma unroll 1
      for (int lane = 0; lane < kWarpSize; ++lane) {
        const std::int32_t gap_begin = __shfl_sync(kAllLanes, from, lane);
        const std::int32_t gap_end = __shfl_sync(kAllLanes, to, lane);
#pragma unroll 1
        for (std::int32_t token = gap_begin + lane_index(); token < gap_end; token += kWarpSize) row_.out[token] = 0;
      }
    }
    if (end == 0) return;
    const std::int32_t first_listed = view_.token_at(0);
#pragma unroll 1
    for (std::int32_t token = static_cast<std::int32_t>(threadIdx.x); token < first_listed; token += thread_count()) {
      row_.out[token] = 0;
    }
  }

 private:
  // All of a tile is asked for before any of it is waited for: where it comes from global memory, in full vectors.
  FBL_DEVICE bool load_wide_tile(int base, uint4 (&raw)[kTileVectors]) const {
    const bool all_wide = view_.wide && base + tile_step() <= view_.count / kLength;
    if (kept_ != nullptr || !all_wide) return false;
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) raw[u] = load16(view_.address(tile_vector(base, u)));
    if (view_.bitmask != nullptr) view_.apply_bitmask_to_tile(base, raw);
    return true;
  }

  FBL_DEVICE uint4 load(int vector) const { return kept_ != nullptr ? kept_[vector] : view_.load(vector); }

  FBL_DEVICE void store(int vector, const uint4& raw) const {
    float g[kLength];
    if (factors_.kind == kFormula) {
      entries(raw, vector, g);
    } else {
      special_entries(raw, vector, g);
    }
    const uint4 packed = Packing<Element>::pack(g);
    if (row_.wide && view_.is_full(vector)) {
      store16(row_.out + static_cast<std::int64_t>(vector) * kLength, packed);
      return;
    }
    ElementWindow<Element> window(packed);
#pragma unroll 1
    for (int e = 0; e < kLength; ++e) {
      const std::int32_t position = vector * kLength + e;
      if (position < view_.count) row_.out[view_.token_at(position)] = window.first();
      window.push(0);
    }
  }

  FBL_DEVICE void entries(const uint4& raw, int vector, float (&g)[kLength]) const {
    float x[kLength];
    Packing<Element>::unpack(raw, x);
    if (capping_.has_cap()) capping_.cap_all(x);
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      // The addition makes +0 of -0.
      g[e] =
          fmaf(exp2_approximate(exponent_of(factors_.base, x[e], capping_.scale)), factors_.constant, factors_.offset);
    }
    if (capping_.has_cap()) {
      Packing<Element>::unpack(raw, x);
      capping_.multiply_by_slopes(x, g);
    }
    if (capping_.has_cap() || factors_.offset != 0) {
#pragma unroll
      for (int e = 0; e < kLength; ++e) {
        if (x[e] == -infinity()) g[e] = 0;
      }
    }
    put(factors_.target_position, factors_.target, vector, g);
    put(factors_.threshold_position, factors_.threshold, vector, g);
  }

  // An entry that is not the formula's, where it is in this vector.
  static FBL_DEVICE void put(std::int32_t position, float value, int vector, float (&g)[kLength]) {
    const std::int32_t lane = position - vector * kLength;
    if (lane < 0 || lane >= kLength) return;
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      if (e == lane) g[e] = value;
    }
  }

  FBL_DEVICE void special_entries(const uint4& raw, int vector, float (&g)[kLength]) const {
    float x[kLength];
    Packing<Element>::unpack(raw, x);
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      const std::int32_t position = vector * kLength + e;
      const bool allowed = position < view_.count && (view_.tokens != nullptr || view_.bit_is_set(position));
      const bool in_set = factors_.all_masked != 0 ? allowed : x[e] != -infinity();
      g[e] = factors_.kind == kPoisoned && in_set ? not_a_number() : 0;
    }
  }

  const RowView<Element>& view_;
  const CappedLogits& capping_;
  const GradientFactors& factors_;
  const uint4* const kept_; // null: from global memory
  const GradientRow<Element>& row_;
};

} // namespace fused_bear_loss::cuda
