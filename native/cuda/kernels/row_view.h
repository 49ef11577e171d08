// A row's allowed logits as positions 0 to count - 1, taken 16 bytes at a time: position p is token p of the row, or
// token number p of its list. Logits that a bitmask forbids, and positions past the end, read as -infinity.
#pragma once

#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {

template <class Element>
struct RowView {
  static constexpr int kLength = Packing<Element>::kLength;
  using Bits = typename Packing<Element>::Bits;

  const Bits* logits;           // from token 0 on
  const std::int32_t* tokens;   // null: every token
  const std::uint32_t* bitmask; // null: none
  std::int32_t count;
  std::int32_t target; // token
  bool wide;           // full vectors can be loaded as such

  FBL_DEVICE int vectors() const { return (count + kLength - 1) / kLength; }

  FBL_DEVICE bool bit_is_set(std::int32_t token) const {
    return bitmask == nullptr || (bitmask[token >> 5] >> (token & 31) & 1u) != 0;
  }

  // Full vectors of a wide row.
  FBL_DEVICE uint4 load_wide(int vector) const {
    uint4 raw = load16(logits + static_cast<std::int64_t>(vector) * kLength);
    if (bitmask != nullptr) apply_bitmask(vector, raw);
    return raw;
  }

  // Any vector, an element at a time.
  FBL_DEVICE uint4 load_elements(int vector) const {
    Bits bits[kLength];
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      const std::int32_t position = vector * kLength + e;
      bits[e] = Packing<Element>::kMasked;
      if (position < count) {
        const std::int32_t token = tokens == nullptr ? position : tokens[position];
        if (bit_is_set(token)) bits[e] = logits[token];
      }
    }
    return Packing<Element>::pack_bits(bits);
  }

  FBL_DEVICE uint4 load(int vector) const {
    if (wide && (vector + 1) * static_cast<std::int64_t>(kLength) <= count) return load_wide(vector);
    return load_elements(vector);
  }

  // The target's place in a vector; -1: it is in another.
  FBL_DEVICE int target_lane(int vector) const {
    if (tokens == nullptr) return target / kLength == vector ? target % kLength : -1;
    int lane = -1;
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      const std::int32_t position = vector * kLength + e;
      if (position < count && tokens[position] == target) lane = e;
    }
    return lane;
  }

 private:
  FBL_DEVICE void apply_bitmask(int vector, uint4& raw) const {
    const std::int32_t first = vector * kLength;
    const std::uint32_t allowed = bitmask[first >> 5] >> (first & 31);
    float x[kLength];
    Packing<Element>::unpack(raw, x);
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      if ((allowed >> e & 1u) == 0) x[e] = -infinity();
    }
    raw = Packing<Element>::pack(x);
  }
};

// The vectors of a row that a block of a cluster works on.
struct Slice {
  std::int32_t begin;
  std::int32_t end;
};

FBL_DEVICE Slice slice_of(int vectors, int rank, int cluster_size) {
  const int share = (vectors + cluster_size - 1) / cluster_size;
  return {min(vectors, rank * share), min(vectors, (rank + 1) * share)};
}

} // namespace fused_bear_loss::cuda
