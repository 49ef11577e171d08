// The build of the kernels that the next calls use, in place of native/cpu/instruction_set.cc, which chooses one for
// the whole process.
#pragma once

#include <vector>

#include "native/cpu/kernel_builds.h"

namespace fused_bear_loss::fuzz {

std::vector<const KernelBuild*> supported_kernels();
void choose_kernels(const KernelBuild& build);

} // namespace fused_bear_loss::fuzz
