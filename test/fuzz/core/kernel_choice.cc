#include "test/fuzz/core/kernel_choice.h"

#include <atomic>

#include "native/cpu/instruction_set.h"

namespace fused_bear_loss {
namespace {

std::atomic<const KernelBuild*> chosen{nullptr};

} // namespace

const RowKernel& row_kernel() { return *chosen.load()->row_kernel; }

const TopTokensKernel& top_tokens_kernel() { return *chosen.load()->top_tokens_kernel; }

const MatrixKernel& matrix_kernel() { return *chosen.load()->matrix_kernel; }

const TileKernel* tile_kernel() { return chosen.load()->tile_kernel; }

namespace fuzz {

std::vector<const KernelBuild*> supported_kernels() {
  std::vector<const KernelBuild*> supported;
  for (const KernelBuild& build : kernel_builds()) {
    if (build.supported) supported.push_back(&build);
  }
  return supported;
}

void choose_kernels(const KernelBuild& build) { chosen = &build; }

} // namespace fuzz
} // namespace fused_bear_loss
