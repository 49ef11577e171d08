// What the emulated build includes in place of the toolkit's <cuda_bf16.h>. The conversions are those of the CPU
// backend, bit for bit.
#pragma once

#include "native/core/dtype.h"
#include "test/emulator/simt/device_functions.h"

struct __align__(2) __nv_bfloat16 { unsigned short bits; };
struct __align__(2) __nv_bfloat16_raw { unsigned short x; };
struct __align__(4) __nv_bfloat162 { __nv_bfloat16 x, y; };

inline float __bfloat162float(__nv_bfloat16 value) {
  return fused_bear_loss::to_float(fused_bear_loss::BFloat16{value.bits});
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  fused_bear_loss::BFloat16 rounded;
  fused_bear_loss::from_float(value, rounded);
  return {rounded.bits};
}
inline __nv_bfloat16 __float2bfloat16(float value) { return __float2bfloat16_rn(value); }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return {bits}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
// Of each place; a NaN yields to a number.
inline __nv_bfloat162 __hmax2(__nv_bfloat162 a, __nv_bfloat162 b) {
  return {__float2bfloat16_rn(fmaxf(__bfloat162float(a.x), __bfloat162float(b.x))),
          __float2bfloat16_rn(fmaxf(__bfloat162float(a.y), __bfloat162float(b.y)))};
}
