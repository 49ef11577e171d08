// The 16-bit logit types and their scalar conversions, by bits: round to nearest even, NaN stays NaN, subnormals kept.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/core/compiler.h"
#include "native/core/loss_problem.h"

namespace fused_bear_loss {

struct Float16 {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

FBL_SHARED_INLINE std::uint32_t float_bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

FBL_SHARED_INLINE float float_from_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

FBL_SHARED_INLINE float to_float(float value) { return value; }

FBL_SHARED_INLINE float to_float(BFloat16 value) {
  return float_from_bits(static_cast<std::uint32_t>(value.bits) << 16);
}

FBL_SHARED_INLINE float to_float(Float16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000u) << 16;
  const std::uint32_t magnitude = value.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return float_from_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // The float with the same exponent and mantissa fields is 2^112 too small, also for subnormals.
  return float_from_bits(sign | float_bits(float_from_bits(magnitude << 13) * 0x1p112f));
}

FBL_SHARED_INLINE void from_float(float value, float& out) { out = value; }

FBL_SHARED_INLINE void from_float(float value, BFloat16& out) {
  const std::uint32_t bits = float_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    out.bits = static_cast<std::uint16_t>(bits >> 16 | 0x40u);
    return;
  }
  out.bits = static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

FBL_SHARED_INLINE void from_float(float value, Float16& out) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;
  } else if (magnitude >= 0x47800000u) { // 65536 and above
    half = 0x7c00u;
  } else if (magnitude < 0x38800000u) { // below 2^-14: the addition rounds to the subnormal grid of 2^-24
    half = float_bits(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    half = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  }
  out.bits = static_cast<std::uint16_t>(sign | half);
}

// Calls f with a value of the dtype's element type.
template <class F>
void with_element(DType dtype, const F& f) {
#if defined(FBL_FLOAT32_ONLY)
  // A build that has to be small: its callers widen.
  if (dtype == DType::kFloat32) f(float{});
#else
  switch (dtype) {
    case DType::kFloat32:
      return f(float{});
    case DType::kFloat16:
      return f(Float16{});
    case DType::kBFloat16:
      return f(BFloat16{});
  }
#endif
}

// Bytes of one element.
FBL_SHARED_INLINE std::int64_t element_size(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

} // namespace fused_bear_loss
