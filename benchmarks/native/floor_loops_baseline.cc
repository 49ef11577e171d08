#define FBL_INSTRUCTION_SET baseline
#include "native/cpu/simd_generic.h"

#include "benchmarks/native/floor_loops_impl.h"
