// Empty where the processor is another one. The pragma stands in for -m flags, so that the benchmarks need no build
// rule of their own per instruction set.
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#define FBL_INSTRUCTION_SET avx2
#include "native/cpu/simd_avx2.h"

#include "benchmarks/native/floor_loops_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
