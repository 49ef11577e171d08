// Logits and gradients in memory of their own, in any dtype. The conversions are written anew from the formats'
// definitions: the fuzz targets must not take them from the code under test.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "native/core/logit_rows.h"

namespace fused_bear_loss::fuzz {

inline std::size_t element_bytes(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }
// Exact.
double decode(std::uint32_t bits, DType dtype);
// The nearest of the dtype's numbers, of two the one that is further from 0; a number past the largest is infinite.
std::uint32_t encode(double value, DType dtype);
// The distance from the value to the next larger number of a 16-bit dtype.
double unit_of(double value, DType dtype);
// A number at or beyond which rounding may give infinity.
double overflow_of(DType dtype);

// Elements that end where their memory ends, so that the sanitizer sees every access behind them; what lies before them
// (`shift` elements behind a cache line's beginning) is watched by what fills it.
class Elements {
 public:
  Elements(DType dtype, std::int64_t shift, std::int64_t count);

  void* data() { return memory_.get() + static_cast<std::size_t>(shift_) * element_bytes(dtype_); }
  std::uint32_t bits(std::int64_t index) const {
    const std::uint8_t* const at = memory_.get() + offset_of(index);
    std::uint32_t bits = 0;
    std::uint16_t half = 0;
    if (dtype_ == DType::kFloat32) {
      std::memcpy(&bits, at, sizeof bits);
      return bits;
    }
    std::memcpy(&half, at, sizeof half);
    return half;
  }
  void set_bits(std::int64_t index, std::uint32_t bits) {
    std::uint8_t* const at = memory_.get() + offset_of(index);
    const auto half = static_cast<std::uint16_t>(bits);
    if (dtype_ == DType::kFloat32) {
      std::memcpy(at, &bits, sizeof bits);
    } else {
      std::memcpy(at, &half, sizeof half);
    }
  }
  double value(std::int64_t index) const { return decode(bits(index), dtype_); }
  // What no call writes by chance: the bytes that all of it has at first.
  std::uint32_t untouched_bits() const { return dtype_ == DType::kFloat32 ? 0xffa5a5a5u : 0xffa5u; } // a NaN
  bool shift_is_untouched() const;

 private:
  std::size_t offset_of(std::int64_t index) const {
    return static_cast<std::size_t>(shift_ + index) * element_bytes(dtype_);
  }

  struct Free {
    void operator()(std::uint8_t* memory) const { std::free(memory); }
  };

  DType dtype_;
  std::int64_t shift_;
  std::unique_ptr<std::uint8_t, Free> memory_;
};

} // namespace fused_bear_loss::fuzz
