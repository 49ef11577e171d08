#include "benchmarks/native/floor_loops.h"

namespace fused_bear_loss {

#define FBL_DECLARE_FLOOR_LOOPS(instruction_set) \
  namespace instruction_set {                    \
  extern const FloorLoops floor_plain;           \
  extern const FloorLoops floor_prefetch;        \
  }
FBL_DECLARE_FLOOR_LOOPS(baseline)
FBL_DECLARE_FLOOR_LOOPS(avx2)
FBL_DECLARE_FLOOR_LOOPS(avx512)
#undef FBL_DECLARE_FLOOR_LOOPS

const FloorLoops& floor_loops(FloorVariant variant) {
  const bool plain = variant == FloorVariant::kPlain;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return plain ? avx512::floor_plain : avx512::floor_prefetch;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    return plain ? avx2::floor_plain : avx2::floor_prefetch;
  }
#endif
  return plain ? baseline::floor_plain : baseline::floor_prefetch;
}

} // namespace fused_bear_loss
