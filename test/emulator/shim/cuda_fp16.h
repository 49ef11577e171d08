// What the emulated build includes in place of the toolkit's <cuda_fp16.h>. The conversions are those of the CPU
// backend, bit for bit.
#pragma once

#include "native/core/dtype.h"
#include "test/emulator/simt/device_functions.h"

struct __align__(2) __half { unsigned short bits; };
struct __align__(2) __half_raw { unsigned short x; };
struct __align__(4) __half2 { __half x, y; };
using half = __half;

inline float __half2float(__half value) { return fused_bear_loss::to_float(fused_bear_loss::Float16{value.bits}); }
inline __half __float2half_rn(float value) {
  fused_bear_loss::Float16 rounded;
  fused_bear_loss::from_float(value, rounded);
  return {rounded.bits};
}
inline __half __float2half(float value) { return __float2half_rn(value); }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half value) { return value.bits; }
inline float2 __half22float2(__half2 value) { return {__half2float(value.x), __half2float(value.y)}; }
inline __half2 __floats2half2_rn(float x, float y) { return {__float2half_rn(x), __float2half_rn(y)}; }
// Of each place; a NaN yields to a number.
inline __half2 __hmax2(__half2 a, __half2 b) {
  return {__float2half_rn(fmaxf(__half2float(a.x), __half2float(b.x))),
          __float2half_rn(fmaxf(__half2float(a.y), __half2float(b.y)))};
}
