#include "native/cpu/instruction_set.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/core/backend.h"
#include "native/cpu/tuning.h"

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

// No string, no vector: it needs no memory to be made, and a thread may still look at it while the process exits.
struct Selection {
  const KernelBuild* build = nullptr;
  char override_error[160] = "";
};

Selection not_followed(const KernelBuild* build, const char* format, const char* wanted) {
  Selection selected{build};
  // A longer name is cut off.
  std::snprintf(selected.override_error, sizeof selected.override_error, format, wanted);
  return selected;
}

Selection select() {
  const KernelBuild* widest = &kernel_builds().front();
  for (const KernelBuild& build : kernel_builds()) {
    if (build.supported) widest = &build;
  }
  const char* wanted = std::getenv("FUSED_BEAR_LOSS_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return {widest};
  for (const KernelBuild& build : kernel_builds()) {
    if (std::strcmp(build.instruction_set, wanted) != 0) continue;
    if (build.supported) return {&build};
    return not_followed(widest, "this processor does not support %s", wanted);
  }
  return not_followed(widest, "this build has no instruction set named %s", wanted);
}

const Selection& selection() {
  static const Selection selected = select();
  return selected;
}

} // namespace

const std::array<KernelBuild, kKernelBuildCount>& kernel_builds() {
  static const std::array<KernelBuild, kKernelBuildCount> builds = {{
      {"baseline", &baseline::row_kernel, &baseline::top_tokens_kernel, &baseline::matrix_kernel, true},
#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
      {"avx2", &avx2::row_kernel, &avx2::top_tokens_kernel, &avx2::matrix_kernel, supports_avx2()},
      {"avx512", &avx512::row_kernel, &avx512::top_tokens_kernel, &avx512::matrix_kernel, supports_avx512()},
#elif defined(FBL_HAVE_NEON)
      {"neon", &neon::row_kernel, &neon::top_tokens_kernel, &neon::matrix_kernel, true},
#endif
  }};
  return builds;
}

const RowKernel& row_kernel() { return *selection().build->row_kernel; }

const TopTokensKernel& top_tokens_kernel() { return *selection().build->top_tokens_kernel; }

const MatrixKernel& matrix_kernel() { return *selection().build->matrix_kernel; }

CpuInfo cpu_info() {
  CpuInfo info;
  info.instruction_set = selection().build->instruction_set;
  info.override_error = selection().override_error;
  info.tuning = tuning_text();
  info.tuning_error = tuning_error();
  for (const KernelBuild& build : kernel_builds()) {
    if (build.supported) info.instruction_sets[info.instruction_set_count++] = build.instruction_set;
  }
  return info;
}

} // namespace fused_bear_loss
