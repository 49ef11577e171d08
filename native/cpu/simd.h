// The vectors of the instruction set that an object of the kernels is compiled for.
#pragma once

#include "native/core/dtype.h"

namespace fused_bear_loss {

// What the exponentials of the headers below share.
constexpr double kLog2E = 1.4426950408889634;
constexpr double kLowestExponent = -126; // of a normal float

} // namespace fused_bear_loss

#if defined(__AVX512F__)
#include "native/cpu/simd_avx512.h"
#elif defined(__AVX2__)
#include "native/cpu/simd_avx2.h"
#elif defined(FBL_USE_NEON)
#include "native/cpu/simd_neon.h"
#else
#include "native/cpu/simd_generic.h"
#endif
