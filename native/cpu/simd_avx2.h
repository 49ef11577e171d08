// Vectors of 8 floats for the AVX2 object of the kernels (with FMA and F16C, which every AVX2 processor that matters
// has; kernel_builds.cc checks). The simd_*.h headers offer the same functions.
#pragma once

#include <immintrin.h>

#include "native/core/dtype.h"
#include "native/cpu/exponential_constants.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {

using Vec = __m256;
constexpr std::int64_t kLanes = 8;
constexpr bool kCanStream = true;
constexpr bool kCanRecompute = false;
constexpr bool kAlwaysPrecise = false; // whether exponential() has one form only, the precise one

FBL_ALWAYS_INLINE Vec broadcast(float x) { return _mm256_set1_ps(x); }
FBL_ALWAYS_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
FBL_ALWAYS_INLINE Vec subtract(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
FBL_ALWAYS_INLINE Vec multiply(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
FBL_ALWAYS_INLINE Vec divide(Vec a, Vec b) { return _mm256_div_ps(a, b); }
FBL_ALWAYS_INLINE Vec multiply_add(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
// NaN in either operand gives b.
FBL_ALWAYS_INLINE Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
FBL_ALWAYS_INLINE Vec absolute(Vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
FBL_ALWAYS_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  const Vec sign_bit = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(sign_bit, magnitude), _mm256_and_ps(sign_bit, sign));
}

using Mask = __m256; // all bits of a lane, or none
FBL_ALWAYS_INLINE Mask greater(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
FBL_ALWAYS_INLINE Mask equal(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
FBL_ALWAYS_INLINE Mask not_equal(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); } // true for NaN
FBL_ALWAYS_INLINE bool any(Mask mask) { return _mm256_movemask_ps(mask) != 0; }
FBL_ALWAYS_INLINE unsigned lane_bits(Mask mask) { return static_cast<unsigned>(_mm256_movemask_ps(mask)); }
FBL_ALWAYS_INLINE Vec select(Mask mask, Vec yes, Vec no) { return _mm256_blendv_ps(no, yes, mask); }
FBL_ALWAYS_INLINE Mask mask_from_bits(unsigned bits) {
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i chosen = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane);
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(chosen, lane));
}

FBL_ALWAYS_INLINE __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

FBL_ALWAYS_INLINE Vec widen(__m128i bits, BFloat16) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
FBL_ALWAYS_INLINE Vec widen(__m128i bits, Float16) { return _mm256_cvtph_ps(bits); }

FBL_ALWAYS_INLINE __m128i narrow(Vec x, BFloat16) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i halves = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}
FBL_ALWAYS_INLINE __m128i narrow(Vec x, Float16) {
  return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

FBL_ALWAYS_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
FBL_ALWAYS_INLINE Vec load_first(const float* p, int count, float rest) {
  const __m256i lanes = first_lanes(count);
  return select(_mm256_castsi256_ps(lanes), _mm256_maskload_ps(p, lanes), broadcast(rest));
}
FBL_ALWAYS_INLINE void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
FBL_ALWAYS_INLINE void store_first(float* p, Vec x, int count) { _mm256_maskstore_ps(p, first_lanes(count), x); }

template <class Half>
FBL_ALWAYS_INLINE Vec load(const Half* p) {
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), Half{});
}
template <class Half>
FBL_ALWAYS_INLINE Vec load_first(const Half* p, int count, float rest) {
  Half lanes[8] = {};
  std::memcpy(lanes, p, sizeof(Half) * static_cast<unsigned>(count));
  return select(_mm256_castsi256_ps(first_lanes(count)), load(lanes), broadcast(rest));
}
template <class Half>
FBL_ALWAYS_INLINE void store(Half* p, Vec x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(x, Half{}));
}
template <class Half>
FBL_ALWAYS_INLINE void store_first(Half* p, Vec x, int count) {
  Half lanes[8];
  store(lanes, x);
  std::memcpy(p, lanes, sizeof(Half) * static_cast<unsigned>(count));
}

// Past the caches; p is aligned to kStreamAlignment.
constexpr int kStreamAlignment = 32;
FBL_ALWAYS_INLINE void stream(float* p, Vec x) { _mm256_stream_ps(p, x); }
FBL_ALWAYS_INLINE void stream_fence() { _mm_sfence(); }

FBL_ALWAYS_INLINE float horizontal_max(Vec x) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// The lanes of a Vec in double precision.
struct WideVec {
  __m256d low;
  __m256d high;
};
FBL_ALWAYS_INLINE WideVec to_double(Vec x) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}
FBL_ALWAYS_INLINE WideVec add(WideVec a, WideVec b) {
  return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}
FBL_ALWAYS_INLINE double horizontal_sum(WideVec x) {
  const __m256d s = _mm256_add_pd(x.low, x.high);
  const __m128d t = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
  return _mm_cvtsd_f64(_mm_add_sd(t, _mm_unpackhi_pd(t, t)));
}
FBL_ALWAYS_INLINE double horizontal_sum(Vec x) { return horizontal_sum(to_double(x)); }

FBL_ALWAYS_INLINE Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
// Lanes moved up by one: out[i] = x[i - 1], out[0] = first[kLanes - 1].
FBL_ALWAYS_INLINE Vec shift_lanes(Vec x, Vec first) {
  const __m256i joint = _mm256_permute2x128_si256(_mm256_castps_si256(first), _mm256_castps_si256(x), 0x21);
  return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(x), joint, 12));
}

// Makes rows columns: afterwards lane j of x[i] is what lane i of x[j] was.
FBL_ALWAYS_INLINE void transpose(Vec (&x)[kLanes]) {
  __m256d pairs[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_castps_pd(_mm256_unpacklo_ps(x[i], x[i + 1]));
    pairs[i + 1] = _mm256_castps_pd(_mm256_unpackhi_ps(x[i], x[i + 1]));
  }
  Vec fours[8]; // each half of 4 i + c: column c of that half, of rows 4 i to 4 i + 3
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(pairs[i], pairs[i + 2]));
    fours[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(pairs[i], pairs[i + 2]));
    fours[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(pairs[i + 1], pairs[i + 3]));
    fours[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(pairs[i + 1], pairs[i + 3]));
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    x[c] = _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x20);
    x[4 + c] = _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x31);
  }
}

// As in simd_avx512.h, with the 8 table entries that one register holds and so a polynomial of degree 3 on
// [-1/16, 1/16] (error 2e-8).
struct Exponential {
  Vec scale;
  Vec scale_low;
  Vec table; // 2^(k / 8), less k << 20
  Vec cut;
};

FBL_ALWAYS_INLINE Exponential make_exponential(double temperature) {
  const Vec powers = _mm256_setr_ps(1.0f, 1.0905077327f, 1.1892071150f, 1.2968395547f, 1.4142135624f, 1.5422108254f,
                                    1.6817928305f, 1.8340080864f);
  const __m256i exponents = _mm256_slli_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), 20);
  const __m256i table = _mm256_sub_epi32(_mm256_castps_si256(powers), exponents);
  const auto scale = static_cast<float>(kLog2E / temperature);
  const auto scale_low = static_cast<float>(kLog2E / temperature - static_cast<double>(scale));
  return {broadcast(scale), broadcast(scale_low), _mm256_castsi256_ps(table),
          broadcast(static_cast<float>(kLowestExponent / kLog2E * temperature))};
}

// exp(difference / temperature); NaN where the difference is NaN, 0 below the cut.
template <bool kPrecise>
FBL_ALWAYS_INLINE Vec exponential(Vec difference, const Exponential& e) {
  const Vec magic = broadcast(0x1.8p20f); // its unit in the last place is 1/8
  const Vec keep = _mm256_cmp_ps(difference, e.cut, _CMP_NLT_UQ);
  const Vec shifted = _mm256_fmadd_ps(difference, e.scale, magic);
  Vec rest = _mm256_fmsub_ps(difference, e.scale, _mm256_sub_ps(shifted, magic));
  if (kPrecise) rest = _mm256_fmadd_ps(difference, e.scale_low, rest);
  const __m256i steps = _mm256_castps_si256(shifted);
  const __m256i power =
      _mm256_add_epi32(_mm256_castps_si256(_mm256_permutevar8x32_ps(e.table, steps)), _mm256_slli_epi32(steps, 20));
  Vec polynomial = _mm256_fmadd_ps(rest, broadcast(0.0555041087f), broadcast(0.240264077f));
  polynomial = _mm256_fmadd_ps(rest, polynomial, broadcast(0.693147181f));
  polynomial = _mm256_fmadd_ps(rest, polynomial, broadcast(1.0f));
  return _mm256_and_ps(keep, _mm256_mul_ps(polynomial, _mm256_castsi256_ps(power)));
}

template <bool kPrecise>
FBL_ALWAYS_INLINE Vec add_exponential(Vec sum, Vec difference, const Exponential& e, Vec* wanted) {
  const Vec x = exponential<kPrecise>(difference, e);
  if (wanted != nullptr) *wanted = x;
  return add(sum, x);
}

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
