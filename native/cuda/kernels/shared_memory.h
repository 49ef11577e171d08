// A block's dynamic shared memory, by its one layout.
#pragma once

#include "native/cuda/kernels/device_access.h"
#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {

FBL_DEVICE char* dynamic_shared_memory() {
#if defined(FBL_SIMT_EMULATION)
  return static_cast<char*>(simt::dynamic_shared());
#else
  extern __shared__ uint4 dynamic_shared[];
  return reinterpret_cast<char*>(dynamic_shared);
#endif
}

FBL_DEVICE BlockState& block_state() { return *reinterpret_cast<BlockState*>(dynamic_shared_memory()); }

// The vectors of the block's part of the row.
FBL_DEVICE uint4* kept_row() { return reinterpret_cast<uint4*>(dynamic_shared_memory() + kRowOffset); }

} // namespace fused_bear_loss::cuda
