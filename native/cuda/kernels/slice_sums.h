// From what each thread found in a slice to what its block knows of it. The order in which sums are added follows from
// the slice alone: a row's sum is the same whether its slices are one block's or those of a cluster.
#pragma once

#include "native/cuda/kernels/capped_logits.h"
#include "native/cuda/kernels/exponential_sum.h"
#include "native/cuda/kernels/shared_memory.h"

namespace fused_bear_loss::cuda {

// Over kLanes neighbouring lanes, each of which gets it.
template <int kLanes>
FBL_DEVICE float largest_of_lanes(float largest) {
#pragma unroll 1
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
  }
  return largest;
}

// The lanes' sums, relative to the same maximum.
template <int kLanes>
FBL_DEVICE void add_lanes(SliceSums& sums, bool with_all) {
#pragma unroll 1
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    sums.sum_others += __shfl_xor_sync(kAllLanes, sums.sum_others, distance);
  }
  if (!with_all) return;
#pragma unroll 1
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    sums.above += __shfl_xor_sync(kAllLanes, sums.above, distance);
    sums.sum_scaled += __shfl_xor_sync(kAllLanes, sums.sum_scaled, distance);
    sums.allowed += __shfl_xor_sync(kAllLanes, sums.allowed, distance);
  }
}

// The slice at `index` among the block's has been swept: `own` is the thread's part of it, without `sum_others`. Leaves
// the warp's in BlockState::warps.
FBL_DEVICE void put_warp_sums(const SliceSums& own, const ExponentialSum& sum, const CappedLogits& capping, int index,
                              bool with_all) {
  SliceSums sums = own;
  sums.max_others = largest_of_lanes<kWarpSize>(own.max_others);
  sums.sum_others = sum.relative_to(capping.capped(sums.max_others));
  add_lanes<kWarpSize>(sums, with_all);
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
    const float largest = largest_of_lanes<kMaxWarps>(sums.max_others);
    if (sums.sum_others != 0) {
      sums.sum_others *= capping.exponential(capping.capped(sums.max_others), capping.capped(largest));
    }
    sums.max_others = largest;
    add_lanes<kMaxWarps>(sums, with_all);
    if (lane_index() == 0) state.slices[index] = sums;
  }
}

} // namespace fused_bear_loss::cuda
