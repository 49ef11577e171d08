#include "native/cpu/instruction_set.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/core/backend.h"
#include "native/cpu/kernel_builds.h"
#include "native/cpu/tuning.h"

namespace fused_bear_loss {
namespace {

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

const RowKernel& row_kernel() { return *selection().build->row_kernel; }

const TopTokensKernel& top_tokens_kernel() { return *selection().build->top_tokens_kernel; }

const MatrixKernel& matrix_kernel() { return *selection().build->matrix_kernel; }

const TileKernel* tile_kernel() { return selection().build->tile_kernel; }

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
