// Which build of the kernels this process uses.
#pragma once

#include "native/cpu/matrix_kernel.h"
#include "native/cpu/row_kernel.h"
#include "native/cpu/tile_kernel.h"
#include "native/cpu/top_tokens_kernel.h"

namespace fused_bear_loss {

// The kernels for this processor; chosen at the first call. FUSED_BEAR_LOSS_INSTRUCTION_SET names another one, for
// support cases; a name that this processor or this build cannot follow is reported by cpu_info().
const RowKernel& row_kernel();
const TopTokensKernel& top_tokens_kernel();
const MatrixKernel& matrix_kernel();
// Null: products of bfloat16 numbers have no kernel of their own.
const TileKernel* tile_kernel();

} // namespace fused_bear_loss
