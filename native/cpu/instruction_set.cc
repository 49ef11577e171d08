#include "native/cpu/instruction_set.h"

#include <cstdlib>

#include "native/core/backend.h"
#include "native/cpu/kernel_builds.h"

namespace fused_bear_loss {
namespace {

struct Selection {
  const KernelBuild* build;
  std::string override_error;
};

Selection select() {
  const KernelBuild* widest = &kernel_builds().front();
  for (const KernelBuild& build : kernel_builds()) {
    if (build.supported) widest = &build;
  }
  const char* wanted = std::getenv("FUSED_BEAR_LOSS_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return {widest, ""};
  for (const KernelBuild& build : kernel_builds()) {
    if (build.instruction_set != std::string(wanted)) continue;
    if (build.supported) return {&build, ""};
    return {widest, std::string("this processor does not support ") + wanted};
  }
  return {widest, std::string("this build has no instruction set named ") + wanted};
}

const Selection& selection() {
  static const Selection selected = select();
  return selected;
}

} // namespace

const RowKernel& row_kernel() { return *selection().build->row_kernel; }

const TopTokensKernel& top_tokens_kernel() { return *selection().build->top_tokens_kernel; }

CpuInfo cpu_info() {
  CpuInfo info;
  info.instruction_set = selection().build->instruction_set;
  info.override_error = selection().override_error;
  for (const KernelBuild& build : kernel_builds()) {
    if (build.supported) info.instruction_sets.emplace_back(build.instruction_set);
  }
  return info;
}

} // namespace fused_bear_loss
