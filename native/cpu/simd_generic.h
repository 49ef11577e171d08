// Vectors of 4 floats in the vector extensions of GCC and Clang, for the baseline object of the kernels: SSE2 on any
// x86-64, NEON on arm64, plain code elsewhere. The simd_*.h headers offer the same functions.
#pragma once

#include <math.h>

#include "native/core/dtype.h"
#include "native/cpu/exponential_constants.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {

typedef float Vec __attribute__((vector_size(16)));
typedef std::int32_t Mask __attribute__((vector_size(16))); // all bits of a lane, or none
typedef std::uint32_t Bits __attribute__((vector_size(16)));
typedef std::int64_t Pair __attribute__((vector_size(16)));
constexpr std::int64_t kLanes = 4;
constexpr bool kCanStream = false;
constexpr bool kCanRecompute = false;
constexpr bool kAlwaysPrecise = true; // whether exponential() has one form only, the precise one

FBL_ALWAYS_INLINE Vec broadcast(float x) { return Vec{x, x, x, x}; }
FBL_ALWAYS_INLINE Vec select(Mask mask, Vec yes, Vec no) { return (Vec)((mask & (Mask)yes) | (~mask & (Mask)no)); }
FBL_ALWAYS_INLINE Vec add(Vec a, Vec b) { return a + b; }
FBL_ALWAYS_INLINE Vec subtract(Vec a, Vec b) { return a - b; }
FBL_ALWAYS_INLINE Vec multiply(Vec a, Vec b) { return a * b; }
FBL_ALWAYS_INLINE Vec divide(Vec a, Vec b) { return a / b; }
FBL_ALWAYS_INLINE Vec multiply_add(Vec a, Vec b, Vec c) { return a * b + c; }
// NaN in either operand gives b.
FBL_ALWAYS_INLINE Vec max(Vec a, Vec b) { return select(a > b, a, b); }
FBL_ALWAYS_INLINE Vec absolute(Vec a) { return (Vec)((Bits)a & 0x7fffffffu); }
FBL_ALWAYS_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return (Vec)(((Bits)magnitude & 0x7fffffffu) | ((Bits)sign & 0x80000000u));
}

FBL_ALWAYS_INLINE Mask greater(Vec a, Vec b) { return a > b; }
FBL_ALWAYS_INLINE Mask equal(Vec a, Vec b) { return a == b; }
FBL_ALWAYS_INLINE Mask not_equal(Vec a, Vec b) { return a != b; } // true for NaN
FBL_ALWAYS_INLINE bool any(Mask mask) {
  const Pair pair = (Pair)mask;
  return (pair[0] | pair[1]) != 0;
}
FBL_ALWAYS_INLINE unsigned lane_bits(Mask mask) {
  return (mask[0] & 1u) | (mask[1] & 2u) | (mask[2] & 4u) | (mask[3] & 8u);
}
FBL_ALWAYS_INLINE Mask mask_from_bits(unsigned bits) {
  const Bits lane = {1, 2, 4, 8};
  const Bits chosen = Bits{bits, bits, bits, bits} & lane;
  return (Mask)(chosen == lane);
}

FBL_ALWAYS_INLINE Vec widen(Bits halves, BFloat16) { return (Vec)(halves << 16); }
FBL_ALWAYS_INLINE Vec widen(Bits halves, Float16) {
  const Bits sign = (halves & 0x8000u) << 16;
  const Bits magnitude = halves & 0x7fffu;
  const Bits finite = (Bits)((Vec)(magnitude << 13) * 0x1p112f); // see to_float(Float16)
  const Bits special = 0x7f800000u | ((magnitude & 0x3ffu) << 13);
  return (Vec)(sign | (Bits)select((Mask)(magnitude >= 0x7c00u), (Vec)special, (Vec)finite));
}

FBL_ALWAYS_INLINE Bits narrow(Vec x, BFloat16) {
  const Bits bits = (Bits)x;
  const Bits rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (Bits)select((Mask)(x != x), (Vec)((bits >> 16) | 0x40u), (Vec)rounded);
}
FBL_ALWAYS_INLINE Bits narrow(Vec x, Float16) {
  const Bits bits = (Bits)x;
  const Bits magnitude = bits & 0x7fffffffu;
  const Bits normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const Bits subnormal = (Bits)((Vec)magnitude + 0.5f) - 0x3f000000u;
  Vec half = select((Mask)(magnitude < 0x38800000u), (Vec)subnormal, (Vec)normal);
  half = select((Mask)(magnitude >= 0x47800000u), (Vec)Bits{0x7c00u, 0x7c00u, 0x7c00u, 0x7c00u}, half);
  half = select((Mask)(x != x), (Vec)Bits{0x7e00u, 0x7e00u, 0x7e00u, 0x7e00u}, half);
  return (Bits)half | ((bits >> 16) & 0x8000u);
}

FBL_ALWAYS_INLINE Vec load(const float* p) {
  Vec x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
FBL_ALWAYS_INLINE void store(float* p, Vec x) { std::memcpy(p, &x, sizeof x); }

template <class Half>
FBL_ALWAYS_INLINE Vec load(const Half* p) {
  return widen(Bits{p[0].bits, p[1].bits, p[2].bits, p[3].bits}, Half{});
}
template <class Half>
FBL_ALWAYS_INLINE void store(Half* p, Vec x) {
  const Bits halves = narrow(x, Half{});
  for (int lane = 0; lane < kLanes; ++lane) p[lane].bits = static_cast<std::uint16_t>(halves[lane]);
}

template <class Element>
FBL_ALWAYS_INLINE Vec load_first(const Element* p, int count, float rest) {
  Vec x = broadcast(rest);
  for (int lane = 0; lane < count; ++lane) x[lane] = to_float(p[lane]);
  return x;
}
template <class Element>
FBL_ALWAYS_INLINE void store_first(Element* p, Vec x, int count) {
  for (int lane = 0; lane < count; ++lane) from_float(x[lane], p[lane]);
}

constexpr int kStreamAlignment = 16;
FBL_ALWAYS_INLINE void stream(float* p, Vec x) { store(p, x); }
FBL_ALWAYS_INLINE void stream_fence() {}

FBL_ALWAYS_INLINE float horizontal_max(Vec x) {
  const float low = x[0] > x[1] ? x[0] : x[1];
  const float high = x[2] > x[3] ? x[2] : x[3];
  return low > high ? low : high;
}

// The lanes of a Vec in double precision.
typedef double DoublePair __attribute__((vector_size(16)));
struct WideVec {
  DoublePair low;
  DoublePair high;
};
FBL_ALWAYS_INLINE WideVec to_double(Vec x) { return {DoublePair{x[0], x[1]}, DoublePair{x[2], x[3]}}; }
FBL_ALWAYS_INLINE WideVec add(WideVec a, WideVec b) { return {a.low + b.low, a.high + b.high}; }
FBL_ALWAYS_INLINE double horizontal_sum(WideVec x) { return (x.low[0] + x.low[1]) + (x.high[0] + x.high[1]); }
FBL_ALWAYS_INLINE double horizontal_sum(Vec x) { return horizontal_sum(to_double(x)); }

FBL_ALWAYS_INLINE Vec min(Vec a, Vec b) { return select(a < b, a, b); }
// Lanes moved up by one: out[i] = x[i - 1], out[0] = first[kLanes - 1].
FBL_ALWAYS_INLINE Vec shift_lanes(Vec x, Vec first) { return Vec{first[3], x[0], x[1], x[2]}; }

// Makes rows columns: afterwards lane j of x[i] is what lane i of x[j] was.
FBL_ALWAYS_INLINE void transpose(Vec (&x)[kLanes]) {
  const Vec a = x[0], b = x[1], c = x[2], d = x[3];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) x[i] = Vec{a[i], b[i], c[i], d[i]};
}

// 2^y by a polynomial of degree 6 on [-1/2, 1/2] (Cephes exp2f), as there is no table in a register here.
struct Exponential {
  Vec scale;   // log2(e) / temperature
  Vec inverse; // temperature * log(2), in two parts: the first has 15 bits, so that its multiples are exact
  Vec inverse_low;
  Vec cut;
};

FBL_ALWAYS_INLINE Exponential make_exponential(double temperature) {
  const double inverse = temperature / kLog2E;
  const float high = float_from_bits(float_bits(static_cast<float>(inverse)) & 0xfffffe00u);
  return {broadcast(static_cast<float>(kLog2E / temperature)), broadcast(high),
          broadcast(static_cast<float>(inverse - static_cast<double>(high))),
          broadcast(static_cast<float>(kLowestExponent * inverse))};
}

// exp(difference / temperature); NaN where the difference is NaN, 0 below the cut. Always as precise as
// kPrecise asks: without a fused multiply-add the reduction needs two steps anyway (Cody and Waite).
template <bool kPrecise>
FBL_ALWAYS_INLINE Vec exponential(Vec difference, const Exponential& e) {
  const Vec magic = broadcast(0x1.8p23f);
  const Mask drop = difference < e.cut;
  const Vec shifted = difference * e.scale + magic;
  const Vec whole = shifted - magic;
  const Vec rest = ((difference - whole * e.inverse) - whole * e.inverse_low) * e.scale;
  Vec polynomial = rest * 1.535336188319500e-4f + 1.339887440266574e-3f;
  polynomial = polynomial * rest + 9.618437357674640e-3f;
  polynomial = polynomial * rest + 5.550332471162809e-2f;
  polynomial = polynomial * rest + 2.402264791363012e-1f;
  polynomial = polynomial * rest + 6.931472028550421e-1f;
  polynomial = polynomial * rest + 1.0f;
  const Vec result = (Vec)((Bits)polynomial + ((Bits)shifted << 23));
  return (Vec)(~drop & (Mask)result);
}

template <bool kPrecise>
FBL_ALWAYS_INLINE Vec add_exponential(Vec sum, Vec difference, const Exponential& e, Vec* wanted) {
  const Vec x = exponential<kPrecise>(difference, e);
  if (wanted != nullptr) *wanted = x;
  return add(sum, x);
}

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
