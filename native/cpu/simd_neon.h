// Vectors of 4 floats for the NEON object of the kernels (any arm64 processor). The simd_*.h headers offer the same
// functions.
#pragma once

#include <arm_neon.h>

#include "native/core/dtype.h"
#include "native/cpu/exponential_constants.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {

using Vec = float32x4_t;
constexpr std::int64_t kLanes = 4;
constexpr bool kCanStream = false;
constexpr bool kCanRecompute = false;
constexpr bool kAlwaysPrecise = false; // whether exponential() has one form only, the precise one

FBL_ALWAYS_INLINE Vec broadcast(float x) { return vdupq_n_f32(x); }
FBL_ALWAYS_INLINE Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
FBL_ALWAYS_INLINE Vec subtract(Vec a, Vec b) { return vsubq_f32(a, b); }
FBL_ALWAYS_INLINE Vec multiply(Vec a, Vec b) { return vmulq_f32(a, b); }
FBL_ALWAYS_INLINE Vec divide(Vec a, Vec b) { return vdivq_f32(a, b); }
FBL_ALWAYS_INLINE Vec multiply_add(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
FBL_ALWAYS_INLINE Vec absolute(Vec a) { return vabsq_f32(a); }
FBL_ALWAYS_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}

using Mask = uint32x4_t; // all bits of a lane, or none
FBL_ALWAYS_INLINE Mask greater(Vec a, Vec b) { return vcgtq_f32(a, b); }
FBL_ALWAYS_INLINE Mask equal(Vec a, Vec b) { return vceqq_f32(a, b); }
FBL_ALWAYS_INLINE Mask not_equal(Vec a, Vec b) { return vmvnq_u32(vceqq_f32(a, b)); } // true for NaN
FBL_ALWAYS_INLINE bool any(Mask mask) { return vmaxvq_u32(mask) != 0; }
FBL_ALWAYS_INLINE Mask lane_numbers() {
  const Mask lanes = {1, 2, 4, 8};
  return lanes;
}
FBL_ALWAYS_INLINE unsigned lane_bits(Mask mask) { return vaddvq_u32(vandq_u32(mask, lane_numbers())); }
FBL_ALWAYS_INLINE Vec select(Mask mask, Vec yes, Vec no) { return vbslq_f32(mask, yes, no); }
FBL_ALWAYS_INLINE Mask mask_from_bits(unsigned bits) { return vtstq_u32(vdupq_n_u32(bits), lane_numbers()); }

// NaN in either operand gives b, and so do zeros of both signs: FMAX would give another bit there.
FBL_ALWAYS_INLINE Vec max(Vec a, Vec b) { return select(greater(a, b), a, b); }
FBL_ALWAYS_INLINE Vec min(Vec a, Vec b) { return select(greater(b, a), a, b); }

FBL_ALWAYS_INLINE Vec widen(uint16x4_t bits, BFloat16) { return vreinterpretq_f32_u32(vshll_n_u16(bits, 16)); }
FBL_ALWAYS_INLINE Vec widen(uint16x4_t bits, Float16) { return vcvt_f32_f16(vreinterpret_f16_u16(bits)); }

FBL_ALWAYS_INLINE uint16x4_t narrow(Vec x, BFloat16) {
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  return vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), 16);
}
FBL_ALWAYS_INLINE uint16x4_t narrow(Vec x, Float16) { return vreinterpret_u16_f16(vcvt_f16_f32(x)); }

FBL_ALWAYS_INLINE Vec load(const float* p) { return vld1q_f32(p); }
FBL_ALWAYS_INLINE void store(float* p, Vec x) { vst1q_f32(p, x); }

template <class Half>
FBL_ALWAYS_INLINE Vec load(const Half* p) {
  uint16x4_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return widen(bits, Half{});
}
template <class Half>
FBL_ALWAYS_INLINE void store(Half* p, Vec x) {
  const uint16x4_t bits = narrow(x, Half{});
  std::memcpy(p, &bits, sizeof bits);
}

template <class Element>
FBL_ALWAYS_INLINE Vec load_first(const Element* p, int count, float rest) {
  float lanes[4] = {rest, rest, rest, rest};
  for (int lane = 0; lane < count; ++lane) lanes[lane] = to_float(p[lane]);
  return load(lanes);
}
template <class Element>
FBL_ALWAYS_INLINE void store_first(Element* p, Vec x, int count) {
  Element lanes[4];
  store(lanes, x);
  std::memcpy(p, lanes, sizeof(Element) * static_cast<unsigned>(count));
}

constexpr int kStreamAlignment = 16;
FBL_ALWAYS_INLINE void stream(float* p, Vec x) { store(p, x); }
FBL_ALWAYS_INLINE void stream_fence() {}

FBL_ALWAYS_INLINE float horizontal_max(Vec x) { return vmaxnmvq_f32(x); }

// The lanes of a Vec in double precision.
struct WideVec {
  float64x2_t low;
  float64x2_t high;
};
FBL_ALWAYS_INLINE WideVec to_double(Vec x) { return {vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)}; }
FBL_ALWAYS_INLINE WideVec add(WideVec a, WideVec b) { return {vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)}; }
FBL_ALWAYS_INLINE double horizontal_sum(WideVec x) { return vaddvq_f64(vaddq_f64(x.low, x.high)); }
FBL_ALWAYS_INLINE double horizontal_sum(Vec x) { return horizontal_sum(to_double(x)); }

// Lanes moved up by one: out[i] = x[i - 1], out[0] = first[kLanes - 1].
FBL_ALWAYS_INLINE Vec shift_lanes(Vec x, Vec first) { return vextq_f32(first, x, 3); }

// Makes rows columns: afterwards lane j of x[i] is what lane i of x[j] was.
FBL_ALWAYS_INLINE void transpose(Vec (&x)[kLanes]) {
  const Vec a = x[0], b = x[1], c = x[2], d = x[3];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) x[i] = Vec{a[i], b[i], c[i], d[i]};
}

// 2^y = 2^n * 2^(y - n) by a polynomial of degree 5 on [-1/2, 1/2] (error 1e-7): a register holds four table entries
// only. What differs from the other headers is for this machine, where a fused multiply-add overwrites its addend and
// so costs a copy wherever that is a constant: the polynomial is of -(y - n), which one subtraction in place gives, and
// is summed in pairs; and 2^n is a factor of its own that goes to the sum by one instruction, 0 at the clamp.
struct Exponential {
  Vec scale;     // log2(e) / temperature
  Vec scale_low; // what float leaves of it
  Vec clamp;     // the difference at which 2^n is 0
};

FBL_ALWAYS_INLINE Exponential make_exponential(double temperature) {
  const auto scale = static_cast<float>(kLog2E / temperature);
  const auto scale_low = static_cast<float>(kLog2E / temperature - static_cast<double>(scale));
  return {broadcast(scale), broadcast(scale_low),
          broadcast(static_cast<float>((kLowestExponent - 1) / kLog2E * temperature))};
}

struct ExponentialParts {
  Vec power;      // 2^n
  Vec polynomial; // 2^(the rest)
};

template <bool kPrecise>
FBL_ALWAYS_INLINE ExponentialParts exponential_parts(Vec difference, const Exponential& e) {
  const Vec magic = broadcast(0x1.8p23f + 127); // a sum's low bits are n + 127, the exponent field of 2^n
  const Vec d = vmaxq_f32(difference, e.clamp); // keeps NaN
  const Vec shifted = vfmaq_f32(magic, d, e.scale);
  Vec minus = vfmsq_f32(subtract(shifted, magic), d, e.scale); // n - y
  if (kPrecise) minus = vfmsq_f32(minus, d, e.scale_low);
  const Vec square = multiply(minus, minus);
  const Vec low = vfmaq_f32(broadcast(1.0f), minus, broadcast(-0.693147004f));
  const Vec middle = vfmaq_f32(broadcast(0.240222469f), minus, broadcast(-0.0555071086f));
  const Vec high = vfmaq_f32(broadcast(0.00967129134f), minus, broadcast(-0.00132695143f));
  const Vec polynomial = vfmaq_f32(low, square, vfmaq_f32(middle, square, high));
  return {vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23)), polynomial};
}

// exp(difference / temperature); NaN where the difference is NaN, 0 where it would be less than half of the smallest
// normal number. kPrecise costs an instruction; without it the relative error grows with the difference, by
// scale_low / scale.
template <bool kPrecise>
FBL_ALWAYS_INLINE Vec exponential(Vec difference, const Exponential& e) {
  const ExponentialParts parts = exponential_parts<kPrecise>(difference, e);
  return multiply(parts.polynomial, parts.power);
}

// Adds exp(difference / temperature) to the sum, and gives it too where it is wanted.
template <bool kPrecise>
FBL_ALWAYS_INLINE Vec add_exponential(Vec sum, Vec difference, const Exponential& e, Vec* wanted) {
  const ExponentialParts parts = exponential_parts<kPrecise>(difference, e);
  if (wanted != nullptr) *wanted = multiply(parts.polynomial, parts.power);
  return vfmaq_f32(sum, parts.polynomial, parts.power);
}

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
