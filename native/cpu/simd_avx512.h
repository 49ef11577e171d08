// Vectors of 16 floats for the AVX-512 object of the kernels. The simd_*.h headers offer the same functions.
#pragma once

// GCC 12 warns of its own deliberately uninitialized vectors (bug 105593) wherever an intrinsic is inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include "native/core/dtype.h"
#include "native/cpu/exponential_constants.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {

using Vec = __m512;
constexpr std::int64_t kLanes = 16;
constexpr bool kCanStream = true;
constexpr bool kCanRecompute = true;   // see RowKernel::can_recompute
constexpr bool kAlwaysPrecise = false; // whether exponential() has one form only, the precise one

FBL_ALWAYS_INLINE Vec broadcast(float x) { return _mm512_set1_ps(x); }
FBL_ALWAYS_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
FBL_ALWAYS_INLINE Vec subtract(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
FBL_ALWAYS_INLINE Vec multiply(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
FBL_ALWAYS_INLINE Vec divide(Vec a, Vec b) { return _mm512_div_ps(a, b); }
FBL_ALWAYS_INLINE Vec multiply_add(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// NaN in either operand gives b.
FBL_ALWAYS_INLINE Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
FBL_ALWAYS_INLINE Vec absolute(Vec a) { return _mm512_abs_ps(a); }
FBL_ALWAYS_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(magnitude), _mm512_castps_si512(sign),
                                                       _mm512_set1_epi32(0x7fffffff), 0xe4));
}

using Mask = __mmask16;
FBL_ALWAYS_INLINE Mask greater(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
FBL_ALWAYS_INLINE Mask equal(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
FBL_ALWAYS_INLINE Mask not_equal(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); } // true for NaN
FBL_ALWAYS_INLINE bool any(Mask mask) { return mask != 0; }
FBL_ALWAYS_INLINE unsigned lane_bits(Mask mask) { return mask; }
FBL_ALWAYS_INLINE Vec select(Mask mask, Vec yes, Vec no) { return _mm512_mask_mov_ps(no, mask, yes); }
FBL_ALWAYS_INLINE Mask mask_from_bits(unsigned bits) { return static_cast<Mask>(bits); }

FBL_ALWAYS_INLINE Mask first_lanes(int count) { return static_cast<Mask>((1u << count) - 1); }

FBL_ALWAYS_INLINE Vec widen(__m256i bits, BFloat16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
FBL_ALWAYS_INLINE Vec widen(__m256i bits, Float16) { return _mm512_cvtph_ps(bits); }

FBL_ALWAYS_INLINE __m256i narrow(Vec x, BFloat16) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
}
FBL_ALWAYS_INLINE __m256i narrow(Vec x, Float16) {
  return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

FBL_ALWAYS_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
FBL_ALWAYS_INLINE Vec load_first(const float* p, int count, float rest) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(rest), first_lanes(count), p);
}
FBL_ALWAYS_INLINE void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
FBL_ALWAYS_INLINE void store_first(float* p, Vec x, int count) { _mm512_mask_storeu_ps(p, first_lanes(count), x); }

template <class Half>
FBL_ALWAYS_INLINE Vec load(const Half* p) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), Half{});
}
template <class Half>
FBL_ALWAYS_INLINE Vec load_first(const Half* p, int count, float rest) {
  const Vec x = widen(_mm256_maskz_loadu_epi16(first_lanes(count), p), Half{});
  return select(first_lanes(count), x, broadcast(rest));
}
template <class Half>
FBL_ALWAYS_INLINE void store(Half* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x, Half{}));
}
template <class Half>
FBL_ALWAYS_INLINE void store_first(Half* p, Vec x, int count) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), narrow(x, Half{}));
}

// Past the caches; p is aligned to kStreamAlignment.
constexpr int kStreamAlignment = 64;
FBL_ALWAYS_INLINE void stream(float* p, Vec x) { _mm512_stream_ps(p, x); }
FBL_ALWAYS_INLINE void stream_fence() { _mm_sfence(); }

FBL_ALWAYS_INLINE float horizontal_max(Vec x) { return _mm512_reduce_max_ps(x); }

// The lanes of a Vec in double precision.
struct WideVec {
  __m512d low;
  __m512d high;
};
FBL_ALWAYS_INLINE WideVec to_double(Vec x) {
  return {_mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
}
FBL_ALWAYS_INLINE WideVec add(WideVec a, WideVec b) {
  return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
FBL_ALWAYS_INLINE double horizontal_sum(WideVec x) { return _mm512_reduce_add_pd(_mm512_add_pd(x.low, x.high)); }
FBL_ALWAYS_INLINE double horizontal_sum(Vec x) { return horizontal_sum(to_double(x)); }

FBL_ALWAYS_INLINE Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
// Lanes moved up by one: out[i] = x[i - 1], out[0] = first[kLanes - 1].
FBL_ALWAYS_INLINE Vec shift_lanes(Vec x, Vec first) {
  return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(x), _mm512_castps_si512(first), 15));
}

// Makes rows columns: afterwards lane j of x[i] is what lane i of x[j] was.
FBL_ALWAYS_INLINE void transpose(Vec (&x)[kLanes]) {
  __m512d pairs[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_castps_pd(_mm512_unpacklo_ps(x[i], x[i + 1]));
    pairs[i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(x[i], x[i + 1]));
  }
  Vec fours[16]; // each quarter of 4 i + c: column c of that quarter, of rows 4 i to 4 i + 3
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[i], pairs[i + 2]));
    fours[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[i], pairs[i + 2]));
    fours[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[i + 1], pairs[i + 3]));
    fours[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[i + 1], pairs[i + 3]));
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const Vec even_low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], 0x88);
    const Vec odd_low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], 0xdd);
    const Vec even_high = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0x88);
    const Vec odd_high = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0xdd);
    x[c] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
    x[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
    x[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
    x[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
  }
}

// 2^y = 2^floor(16 y) / 16 from a table of 16 in one register, times a polynomial of degree 2
// on [-1/32, 1/32] (error 4.2e-7, the Chebyshev remainder of the cubic term). The exponent goes in by integer addition:
// this keeps the work off the two multiply ports, which are what bounds the sweep (a degree-5 polynomial with vscalefps
// needs 8 instructions on them, this needs 5).
struct Exponential {
  Vec scale;     // log2(e) / temperature
  Vec scale_low; // what float leaves of it
  Vec table;     // 2^(k / 16), less k << 19
  Vec cut;       // below this difference the result is 0, as it would not be a normal number
};

FBL_ALWAYS_INLINE Exponential make_exponential(double temperature) {
  alignas(64) static const float kPowers[16] = {1.0f,          1.0442737824f, 1.0905077327f, 1.1387886348f,
                                                1.1892071150f, 1.2418578121f, 1.2968395547f, 1.3542555469f,
                                                1.4142135624f, 1.4768261459f, 1.5422108254f, 1.6104903319f,
                                                1.6817928305f, 1.7562521604f, 1.8340080864f, 1.9152065614f};
  const __m512i exponents =
      _mm512_slli_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 19);
  const __m512i table = _mm512_sub_epi32(_mm512_load_si512(kPowers), exponents);
  const auto scale = static_cast<float>(kLog2E / temperature);
  const auto scale_low = static_cast<float>(kLog2E / temperature - static_cast<double>(scale));
  return {broadcast(scale), broadcast(scale_low), _mm512_castsi512_ps(table),
          broadcast(static_cast<float>(kLowestExponent / kLog2E * temperature))};
}

struct ExponentialParts {
  Mask keep;
  Vec power;      // 2^(round(16 y) / 16)
  Vec polynomial; // 2^(the rest)
};

template <bool kPrecise>
FBL_ALWAYS_INLINE ExponentialParts exponential_parts(Vec difference, const Exponential& e) {
  const Mask keep = _mm512_cmp_ps_mask(difference, e.cut, _CMP_NLT_UQ);
  const Vec magic = broadcast(0x1.8p19f); // its unit in the last place is 1/16
  const Vec shifted = _mm512_fmadd_ps(difference, e.scale, magic);
  Vec rest = _mm512_fmsub_ps(difference, e.scale, _mm512_sub_ps(shifted, magic));
  if (kPrecise) rest = _mm512_fmadd_ps(difference, e.scale_low, rest);
  const __m512i steps = _mm512_castps_si512(shifted);
  const __m512i power =
      _mm512_add_epi32(_mm512_castps_si512(_mm512_permutexvar_ps(steps, e.table)), _mm512_slli_epi32(steps, 19));
  const Vec inner = _mm512_fmadd_ps(rest, broadcast(0.240226507f), broadcast(0.693187833f));
  return {keep, _mm512_castsi512_ps(power), _mm512_fmadd_ps(rest, inner, broadcast(1.0f))};
}

// exp(difference / temperature); NaN where the difference is NaN, 0 below the cut. kPrecise costs an
// instruction; without it the relative error grows with the difference, by scale_low / scale.
template <bool kPrecise>
FBL_ALWAYS_INLINE Vec exponential(Vec difference, const Exponential& e) {
  const ExponentialParts parts = exponential_parts<kPrecise>(difference, e);
  return _mm512_maskz_mul_ps(parts.keep, parts.polynomial, parts.power);
}

// Adds exp(difference / temperature) to the sum, and gives it too where it is wanted.
template <bool kPrecise>
FBL_ALWAYS_INLINE Vec add_exponential(Vec sum, Vec difference, const Exponential& e, Vec* wanted) {
  const ExponentialParts parts = exponential_parts<kPrecise>(difference, e);
  if (wanted != nullptr) *wanted = _mm512_maskz_mul_ps(parts.keep, parts.polynomial, parts.power);
  return _mm512_mask3_fmadd_ps(parts.polynomial, parts.power, sum, parts.keep);
}

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
