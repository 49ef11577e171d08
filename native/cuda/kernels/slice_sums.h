// From what each thread found in a slice to what its block knows of it. The order in which sums are added follows from
// the slice alone: a row's sum is the same whether its slices are one block's or those of a cluster.
#pragma once

#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/exponential_sum.h"
#include "native/cuda/kernels/shared_memory.h"

namespace fused_bear_loss::cuda {

// The slice at `index` among the block's has been swept: `own` is the thread's part of it, without `sum_others`. Leaves
// the warp's in BlockState::warps.
FBL_DEVICE void put_warp_sums(const SliceSums& own, const ExponentialSum& sum, const CappedLogits& capping, int index,
                              bool with_all) {
  SliceSums sums = own;
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    sums.max_others = fmaxf(sums.max_others, __shfl_xor_sync(kAllLanes, sums.max_others, distance));
  }
  sums.sum_others = sum.relative_to(capping.capped(sums.max_others));
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    sums.sum_others += __shfl_xor_sync(kAllLanes, sums.sum_others, distance);
  }
  if (with_all) {
#pragma unroll 1
    for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
      sums.above += __shfl_xor_sync(kAllLanes, sums.above, distance);
      sums.sum_scaled += __shfl_xor_sync(kAllLanes, sums.sum_scaled, distance);
      sums.allowed += __shfl_xor_sync(kAllLanes, sums.allowed, distance);
    }
  }
  if (lane_index() == 0) block_state().warps[index * kMaxWarps + warp_index()] = sums;
}

// The block's sums of each of its slices, into BlockState::slices: by the first warp, between two barriers.
FBL_DEVICE void combine_warps(int slices, const CappedLogits& capping, bool with_all) {
  if (warp_index() != 0) return;
  BlockState& state = block_state();
#pragma unroll 1
  for (int index = 0; index < slices; ++index) {
    SliceSums sums = {};
    sums.max_others = -infinity();
    if (lane_index() < warp_count()) sums = state.warps[index * kMaxWarps + lane_index()];
    float largest = sums.max_others;
#pragma unroll 1
    for (int distance = kMaxWarps / 2; distance > 0; distance /= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
    }
    if (sums.sum_others != 0) {
      sums.sum_others *= capping.exponential(capping.capped(sums.max_others), capping.capped(largest));
    }
    sums.max_others = largest;
#pragma unroll 1
    for (int distance = kMaxWarps / 2; distance > 0; distance /= 2) {
      sums.sum_others += __shfl_xor_sync(kAllLanes, sums.sum_others, distance);
    }
    if (with_all) {
#pragma unroll 1
      for (int distance = kMaxWarps / 2; distance > 0; distance /= 2) {
        sums.above += __shfl_xor_sync(kAllLanes, sums.above, distance);
        sums.sum_scaled += __shfl_xor_sync(kAllLanes, sums.sum_scaled, distance);
        sums.allowed += __shfl_xor_sync(kAllLanes, sums.allowed, distance);
      }
    }
    if (lane_index() == 0) state.slices[index] = sums;
  }
}

} // namespace fused_bear_loss::cuda
