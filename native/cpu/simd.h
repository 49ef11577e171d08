// The vectors of the instruction set that an object of the kernels is compiled for.
#pragma once

#if defined(__AVX512F__)
#include "native/cpu/simd_avx512.h"
#elif defined(__AVX2__)
#include "native/cpu/simd_avx2.h"
#elif defined(FBL_USE_NEON)
#include "native/cpu/simd_neon.h"
#else
#include "native/cpu/simd_generic.h"
#endif
