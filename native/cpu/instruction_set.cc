#include "native/cpu/instruction_set.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/core/backend.h"

namespace fused_bear_loss {
namespace {

struct Choice {
  const char* name;
  const RowKernel* row_kernel;
  const TopTokensKernel* top_tokens_kernel;
  bool supported;
};

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

#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
constexpr std::size_t kChoices = 3;
#else
constexpr std::size_t kChoices = 1;
#endif

// From the plainest to the widest.
const std::array<Choice, kChoices>& choices() {
  static const std::array<Choice, kChoices> all = {{
      {"baseline", &baseline::row_kernel, &baseline::top_tokens_kernel, true},
#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
      {"avx2", &avx2::row_kernel, &avx2::top_tokens_kernel, supports_avx2()},
      {"avx512", &avx512::row_kernel, &avx512::top_tokens_kernel, supports_avx512()},
#endif
  }};
  return all;
}

// No string, no vector: it needs no memory to be made, and a thread may still look at it while the process exits.
struct Selection {
  const Choice* choice = nullptr;
  char override_error[160] = "";
};

Selection not_followed(const Choice* choice, const char* format, const char* wanted) {
  Selection selected{choice};
  // A longer name is cut off.
  std::snprintf(selected.override_error, sizeof selected.override_error, format, wanted);
  return selected;
}

Selection select() {
  const Choice* widest = &choices().front();
  for (const Choice& choice : choices()) {
    if (choice.supported) widest = &choice;
  }
  const char* wanted = std::getenv("FUSED_BEAR_LOSS_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return {widest};
  for (const Choice& choice : choices()) {
    if (std::strcmp(choice.name, wanted) != 0) continue;
    if (choice.supported) return {&choice};
    return not_followed(widest, "this processor does not support %s", wanted);
  }
  return not_followed(widest, "this build has no instruction set named %s", wanted);
}

const Selection& selection() {
  static const Selection selected = select();
  return selected;
}

} // namespace

const RowKernel& row_kernel() { return *selection().choice->row_kernel; }

const TopTokensKernel& top_tokens_kernel() { return *selection().choice->top_tokens_kernel; }

CpuInfo cpu_info() {
  CpuInfo info;
  info.instruction_set = selection().choice->name;
  info.override_error = selection().override_error;
  for (const Choice& choice : choices()) {
    if (choice.supported) info.instruction_sets[info.instruction_set_count++] = choice.name;
  }
  return info;
}

} // namespace fused_bear_loss
