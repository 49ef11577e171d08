// A row's allowed logits as positions 0 to count - 1, taken 16 bytes at a time: position p is token p of the row, or
// token number p of its list. Logits that a bitmask forbids, and positions past the end, read as -infinity.
#pragma once

#include "native/cuda/kernels/shared_memory.h"

namespace fused_bear_loss::cuda {

// The first one leaves and `last` comes in: for loops that are rolled, as registers have no index.
template <class T, int kCount>
FBL_DEVICE void rotate(T (&values)[kCount], T last) {
#pragma unroll
  for (int i = 0; i + 1 < kCount; ++i) values[i] = values[i + 1];
  values[kCount - 1] = last;
}

// A vector of logits as a queue of kLength elements, likewise.
template <class Element>
class ElementWindow {
 public:
  using Bits = typename Packing<Element>::Bits;

  FBL_DEVICE ElementWindow() {}
  FBL_DEVICE explicit ElementWindow(const uint4& raw)
      : low_(raw.x | static_cast<std::uint64_t>(raw.y) << 32), high_(raw.z | static_cast<std::uint64_t>(raw.w) << 32) {}

  // The first element leaves, and one comes in at the end.
  FBL_DEVICE void push(Bits bits) {
    low_ = low_ >> kBits | high_ << (64 - kBits);
    high_ = high_ >> kBits | static_cast<std::uint64_t>(bits) << (64 - kBits);
  }
  FBL_DEVICE Bits first() const { return static_cast<Bits>(low_); }
  FBL_DEVICE uint4 vector() const {
    return make_uint4(static_cast<std::uint32_t>(low_), static_cast<std::uint32_t>(low_ >> 32),
                      static_cast<std::uint32_t>(high_), static_cast<std::uint32_t>(high_ >> 32));
  }

 private:
  static constexpr int kBits = 8 * sizeof(Bits);
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
};

FBL_DEVICE int tile_step() { return thread_count() * kTileVectors; }

// Vector `u` of a thread in the tile that begins at vector `base`. A warp's vectors are neighbours, so that all its
// accesses are at fixed distances from one address. The order of a thread's sums follows from it, whatever the row's
// alignment.
FBL_DEVICE int tile_vector_of(int thread, int base, int u) {
  return base + (thread / kWarpSize * kTileVectors + u) * kWarpSize + thread % kWarpSize;
}
FBL_DEVICE int tile_vector(int base, int u) { return tile_vector_of(static_cast<int>(threadIdx.x), base, u); }

// Calls visit(logit) for each element of a vector, in a rolled loop.
template <class Element, class Visit>
FBL_DEVICE void visit_logits_of(const uint4& raw, const Visit& visit) {
  ElementWindow<Element> window(raw);
#pragma unroll 1
  for (int e = 0; e < Packing<Element>::kLength; ++e) {
    visit(Packing<Element>::to_number(window.first()));
    window.push(0);
  }
}

// Calls visit(key), likewise.
template <class Element, class Visit>
FBL_DEVICE void visit_keys(const uint4& raw, const Visit& visit) {
  visit_logits_of<Element>(raw, [&](float logit) { visit(ordered_key(logit)); });
}

// Masks an element of a vector, and returns what it was.
template <class Element>
FBL_DEVICE float take_element(uint4& raw, int lane) {
  constexpr int kLength = Packing<Element>::kLength;
  float x[kLength];
  Packing<Element>::unpack(raw, x);
  float taken = 0;
#pragma unroll
  for (int e = 0; e < kLength; ++e) {
    if (e == lane) {
      taken = x[e];
      x[e] = -infinity();
    }
  }
  raw = Packing<Element>::pack(x);
  return taken;
}

// Replaces an element of a vector.
template <class Element>
FBL_DEVICE void put_element(uint4& raw, int lane, float value) {
  ElementWindow<Element> window(raw);
#pragma unroll 1
  for (int e = 0; e < Packing<Element>::kLength; ++e) {
    window.push(e == lane ? Packing<Element>::to_bits(value) : window.first());
  }
  raw = window.vector();
}

// What a sweep says of the row's target, where it comes across it.
FBL_DEVICE void put_target(float logit, std::int32_t position) { block_state().target = {logit, position}; }

template <class Element>
struct RowView {
  static constexpr int kLength = Packing<Element>::kLength;
  using Bits = typename Packing<Element>::Bits;

  const Bits* logits;           // from token 0 on
  const std::int32_t* tokens;   // null: every token
  const std::uint32_t* bitmask; // null: none
  std::int32_t count;
  std::int32_t target;     // token
  std::int32_t last_token; // of the vocabulary
  bool wide;               // full vectors can be loaded as such

  // Of a position before `count`. Inside the vocabulary whatever the list has become since it was checked.
  FBL_DEVICE std::int32_t token_at(std::int32_t position) const {
    if (tokens == nullptr) return position;
    const auto token = static_cast<std::uint32_t>(tokens[position]);
    return static_cast<std::int32_t>(min(token, static_cast<std::uint32_t>(last_token)));
  }

  FBL_DEVICE int vectors() const { return (count + kLength - 1) / kLength; }

  FBL_DEVICE bool bit_is_set(std::int32_t token) const {
    return bitmask == nullptr || (bitmask[token >> 5] >> (token & 31) & 1u) != 0;
  }

  FBL_DEVICE const Bits* address(int vector) const { return logits + static_cast<std::int64_t>(vector) * kLength; }

  // Full vectors of a wide row.
  FBL_DEVICE uint4 load_wide(int vector) const {
    uint4 raw = load16(address(vector));
    if (bitmask != nullptr) apply_bitmask(vector, raw);
    return raw;
  }

  // Any vector, an element at a time. A rolled loop: the first element's load brings in what the others need.
  FBL_DEVICE uint4 load_elements(int vector) const {
    ElementWindow<Element> window;
#pragma unroll 1
    for (int e = 0; e < kLength; ++e) {
      const std::int32_t position = vector * kLength + e;
      Bits bits = Packing<Element>::kMasked;
      if (position < count) {
        const std::int32_t token = token_at(position);
        if (bit_is_set(token)) bits = logits[token];
      }
      window.push(bits);
    }
    return window.vector();
  }

  FBL_DEVICE bool is_full(int vector) const { return vector < count / kLength; }

  FBL_DEVICE uint4 load(int vector) const {
    return wide && is_full(vector) ? load_wide(vector) : load_elements(vector);
  }

  // The target's place in a vector; -1: it is in another.
  FBL_DEVICE int target_lane(int vector) const {
    if (tokens == nullptr) return target / kLength == vector ? target % kLength : -1;
    int lane = -1;
#pragma unroll 1
    for (int e = 0; e < kLength; ++e) {
      const std::int32_t position = vector * kLength + e;
      if (position < count && tokens[position] == target) lane = e;
    }
    return lane;
  }

  // The thread's vectors of a tile.
  FBL_DEVICE void apply_bitmask_to_tile(int base, uint4 (&raw)[kTileVectors]) const {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      uint4 masked = raw[0];
      apply_bitmask(tile_vector(base, u), masked);
      rotate(raw, masked);
    }
  }

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

} // namespace fused_bear_loss::cuda
