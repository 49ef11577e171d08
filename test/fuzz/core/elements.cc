#include "test/fuzz/core/elements.h"

#include <algorithm>
#include <cmath>
#include <new>

namespace fused_bear_loss::fuzz {
namespace {

constexpr std::size_t kCacheLine = 64;

// A 16-bit format by its definition: a sign, exponent bits, mantissa bits.
struct Format {
  int mantissa_bits;
  int least_exponent; // of a normal number
  std::uint32_t infinity;
};

Format format_of(DType dtype) { return dtype == DType::kFloat16 ? Format{10, -14, 0x7c00u} : Format{7, -126, 0x7f80u}; }

} // namespace

double decode(std::uint32_t bits, DType dtype) {
  if (dtype == DType::kFloat32) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return static_cast<double>(value);
  }
  const Format format = format_of(dtype);
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude > format.infinity) return NAN;
  if (magnitude == format.infinity) return sign * INFINITY;
  const int exponent = static_cast<int>(magnitude >> format.mantissa_bits);
  const std::uint32_t mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
  const std::uint32_t significand = exponent == 0 ? mantissa : mantissa | 1u << format.mantissa_bits;
  const int power = format.least_exponent - format.mantissa_bits + (exponent == 0 ? 0 : exponent - 1);
  return sign * std::ldexp(static_cast<double>(significand), power);
}

double unit_of(double value, DType dtype) {
  const Format format = format_of(dtype);
  const int exponent = value == 0 ? format.least_exponent : std::max(std::ilogb(value), format.least_exponent);
  return std::ldexp(1.0, exponent - format.mantissa_bits);
}

double overflow_of(DType dtype) { return dtype == DType::kFloat16 ? 65504 : 3.38e38; }

std::uint32_t encode(double value, DType dtype) {
  if (dtype == DType::kFloat32) {
    const auto single = static_cast<float>(value);
    std::uint32_t bits;
    std::memcpy(&bits, &single, sizeof bits);
    return bits;
  }
  const Format format = format_of(dtype);
  const std::uint32_t sign = std::signbit(value) ? 0x8000u : 0u;
  if (std::isnan(value)) return sign | format.infinity | 1u << (format.mantissa_bits - 1);
  if (std::isinf(value)) return sign | format.infinity;
  const double unit = unit_of(value, dtype);
  const double units = std::round(std::fabs(value) / unit);
  // The units of a binade continue into those of the next one, as the fields of the format do.
  const int binade = static_cast<int>(std::ilogb(unit)) + format.mantissa_bits - format.least_exponent;
  const auto bits = static_cast<std::uint32_t>(binade << format.mantissa_bits) + static_cast<std::uint32_t>(units);
  return sign | (bits < format.infinity ? bits : format.infinity);
}

Elements::Elements(DType dtype, std::int64_t shift, std::int64_t count) : dtype_(dtype), shift_(shift) {
  const std::size_t bytes = static_cast<std::size_t>(shift + count) * element_bytes(dtype);
  void* memory = nullptr;
  if (posix_memalign(&memory, kCacheLine, bytes) != 0) throw std::bad_alloc();
  memory_.reset(static_cast<std::uint8_t*>(memory));
  for (std::int64_t i = -shift; i < count; ++i) set_bits(i, untouched_bits());
}

bool Elements::shift_is_untouched() const {
  for (std::int64_t i = -shift_; i < 0; ++i) {
    if (bits(i) != untouched_bits()) return false;
  }
  return true;
}

} // namespace fused_bear_loss::fuzz
