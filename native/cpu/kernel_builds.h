// The builds of the kernels that this addon contains, and which of them this processor can run.
#pragma once

#include <array>

#include "native/cpu/matrix_kernel.h"
#include "native/cpu/row_kernel.h"
#include "native/cpu/tile_kernel.h"
#include "native/cpu/top_tokens_kernel.h"

namespace fused_bear_loss {

struct KernelBuild {
  const char* instruction_set; // "baseline", "avx2", "avx512", "amx", "neon"
  const RowKernel* row_kernel;
  const TopTokensKernel* top_tokens_kernel;
  const MatrixKernel* matrix_kernel;
  bool supported;
  const TileKernel* tile_kernel = nullptr;
};

#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
constexpr std::size_t kKernelBuildCount = 4;
#elif defined(FBL_HAVE_NEON)
constexpr std::size_t kKernelBuildCount = 2;
#else
constexpr std::size_t kKernelBuildCount = 1;
#endif

// From the plainest to the widest; the first is always supported.
const std::array<KernelBuild, kKernelBuildCount>& kernel_builds();

} // namespace fused_bear_loss
