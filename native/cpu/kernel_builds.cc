#include "native/cpu/kernel_builds.h"

namespace fused_bear_loss {
namespace {

#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
// Every AVX2 processor has F16C and POPCNT too; Clang 14 does not know the name of the former.
bool supports_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

bool supports_avx512() {
  return supports_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

} // namespace

const std::array<KernelBuild, kKernelBuildCount>& kernel_builds() {
  static const std::array<KernelBuild, kKernelBuildCount> builds = {{
      {"baseline", &baseline::row_kernel, &baseline::top_tokens_kernel, &baseline::matrix_kernel, true},
#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
      {"avx2", &avx2::row_kernel, &avx2::top_tokens_kernel, &avx2::matrix_kernel, supports_avx2()},
      {"avx512", &avx512::row_kernel, &avx512::top_tokens_kernel, &avx512::matrix_kernel, supports_avx512()},
      {"amx", &avx512::row_kernel, &avx512::top_tokens_kernel, &avx512::matrix_kernel,
       supports_avx512() && amx_tile_kernel() != nullptr, amx_tile_kernel()},
#elif defined(FBL_HAVE_NEON)
      {"neon", &neon::row_kernel, &neon::top_tokens_kernel, &neon::matrix_kernel, true},
#endif
  }};
  return builds;
}

} // namespace fused_bear_loss
