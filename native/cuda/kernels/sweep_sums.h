// From what each thread found in its share of a row to what the block knows of it. The order in which sums are added
// follows from the row's length alone.
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
FBL_DEVICE void add_lanes(SweepSums& sums, bool with_all) {
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

// `own` is the thread's part of the row, without `sum_others`. Leaves the warp's in BlockState::warps.
FBL_DEVICE void put_warp_sums(const SweepSums& own, const ExponentialSum& sum, const CappedLogits& capping,
                              bool with_all) {
  SweepSums sums = own;
  sums.max_others = largest_of_lanes<kWarpSize>(own.max_others);
  sums.sum_others = sum.relative_to(capping.capped(sums.max_others));
  add_lanes<kWarpSize>(sums, with_all);
  if (lane_index() == 0) block_state().warps[warp_index()] = sums;
}

// The row's sums, into BlockState::sums: by one warp, after a barrier.
FBL_DEVICE void combine_warps(const CappedLogits& capping, bool with_all) {
  BlockState& state = block_state();
  SweepSums sums = {};
  sums.max_others = -infinity();
  if (lane_index() < warp_count()) sums = state.warps[lane_index()];
  const float largest = largest_of_lanes<kMaxWarps>(sums.max_others);
  if (sums.sum_others != 0) {
    sums.sum_others *= capping.exponential(capping.capped(sums.max_others), capping.capped(largest));
  }
  sums.max_others = largest;
  add_lanes<kMaxWarps>(sums, with_all);
  if (lane_index() == 0) state.sums = sums;
  __syncwarp();
}

} // namespace fused_bear_loss::cuda
