// The k-th largest of many ordered keys, by a whole block. Every thread calls, and gets the same.
#pragma once

#include "native/cuda/kernels/shared_memory.h"

namespace fused_bear_loss::cuda {

FBL_DEVICE std::uint32_t largest_of_warp(std::uint32_t key) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return __reduce_max_sync(kAllLanes, key);
#else
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    key = max(key, __shfl_xor_sync(kAllLanes, key, distance));
  }
  return key;
#endif
}

// How many of the keys are not below `key`.
FBL_DEVICE int count_reaching(const std::uint32_t* keys, int count, std::uint32_t key) {
  const uint4* const fours = reinterpret_cast<const uint4*>(keys);
  int reaching = 0;
#pragma unroll 4
  for (int j = 0; j < count / 4; ++j) {
    const uint4 four = fours[j];
    reaching += (four.x >= key ? 1 : 0) + (four.y >= key ? 1 : 0) + (four.z >= key ? 1 : 0) + (four.w >= key ? 1 : 0);
  }
#pragma unroll 1
  for (int j = count / 4 * 4; j < count; ++j) reaching += keys[j] >= key ? 1 : 0;
  return reaching;
}

// The largest of every step-th key that at least `wanted` keys reach; 0: there is none.
FBL_DEVICE std::uint32_t largest_reached(const std::uint32_t* keys, int count, int wanted, int first, int step) {
  std::uint32_t reached = 0;
#pragma unroll 1
  for (int i = first; i < count; i += step) {
    if (count_reaching(keys, count, keys[i]) >= wanted) reached = max(reached, keys[i]);
  }
  return reached;
}

// What select_by_rank() finds, by one warp, each lane of which gets it.
FBL_DEVICE std::uint32_t select_by_warp(const std::uint32_t* keys, int count, int wanted) {
  return largest_of_warp(largest_reached(keys, count, wanted, lane_index(), kWarpSize));
}

// By comparing each key with each: for at most kMaxRankedCount keys in shared memory, 16-byte aligned, that a barrier
// has made visible. 1 <= wanted <= count. Those that at least `wanted` keys reach are not above the wanted one, which
// is among them. Before the next call there has to be another barrier.
FBL_DEVICE std::uint32_t select_by_rank(const std::uint32_t* keys, int count, int wanted) {
  BlockState& state = block_state();
  std::uint32_t reached =
      largest_of_warp(largest_reached(keys, count, wanted, static_cast<int>(threadIdx.x), thread_count()));
  if (lane_index() == 0) state.warp_keys[warp_index()] = reached;
  __syncthreads();
#pragma unroll 1
  for (int warp = 0; warp < warp_count(); ++warp) reached = max(reached, state.warp_keys[warp]);
  return reached;
}

FBL_DEVICE std::uint32_t count_in_bin(int bin) {
  static_assert(kRadixCopies == 4, "a bin's copies are read as one vector");
  const uint4 copies = reinterpret_cast<const uint4*>(block_state().histogram)[bin];
  return copies.x + copies.y + copies.z + copies.w;
}

// Finds the bin in which the wanted key is: into selected_bin, above_bin and in_all_bins. Where there are fewer keys
// than wanted, the smallest one is.
FBL_DEVICE void find_bin(int wanted) {
  if (warp_index() != 0) return;
  constexpr int kBinsPerLane = kRadixBins / kWarpSize;
  // Lane 0 has the largest bins.
  const int last = kRadixBins - 1 - kBinsPerLane * lane_index();
  std::uint32_t in_lane = 0;
#pragma unroll 1
  for (int b = 0; b < kBinsPerLane; ++b) in_lane += count_in_bin(last - b);
  std::uint32_t through = in_lane; // in the bins of this lane and of those before it
#pragma unroll 1
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const std::uint32_t before = __shfl_up_sync(kAllLanes, through, distance);
    if (lane_index() >= distance) through += before;
  }
  const std::uint32_t all = __shfl_sync(kAllLanes, through, kWarpSize - 1);
  const std::uint32_t reach = min(static_cast<std::uint32_t>(wanted), all);
  std::uint32_t above = through - in_lane;
  if (through < reach || above >= reach) return;
  int bin = last;
#pragma unroll 1
  for (std::uint32_t count = count_in_bin(bin); above + count < reach; count = count_in_bin(--bin)) {
    above += count;
  }
  BlockState& state = block_state();
  state.selected_bin = static_cast<std::uint32_t>(bin);
  state.above_bin = above;
  state.in_all_bins = all;
}

struct Selection {
  std::uint32_t key;
  std::int32_t count; // keys that there were, of those not below `lowest`
};

// By counting digits: any number of keys not below `lowest`, at least one. `for_each_key(visit)` calls visit(key) for
// the thread's share. With fewer keys than wanted, the smallest.
template <class ForEachKey>
FBL_DEVICE Selection select_by_radix(std::uint32_t lowest, std::uint32_t highest, int wanted,
                                     const ForEachKey& for_each_key) {
  BlockState& state = block_state();
  Selection selection = {lowest, 0};
  bool first_round = true;
#pragma unroll 1
  do {
    const int shift = max(0, 24 - __clz(static_cast<int>(highest - lowest)));
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < kRadixBins * kRadixCopies; i += thread_count()) {
      state.histogram[i] = 0;
    }
    __syncthreads();
    for_each_key([&](std::uint32_t key) {
      if (key >= lowest && key <= highest) {
        atomicAdd(&state.histogram[((key - lowest) >> shift) * kRadixCopies + lane_index() % kRadixCopies], 1u);
      }
    });
    __syncthreads();
    find_bin(wanted);
    __syncthreads();
    if (first_round) {
      selection.count = static_cast<std::int32_t>(state.in_all_bins);
      wanted = min(wanted, selection.count);
      first_round = false;
    }
    wanted -= static_cast<int>(state.above_bin);
    lowest += state.selected_bin << shift;
    highest = min(highest, lowest + ((1u << shift) - 1));
  } while (lowest < highest);
  __syncthreads(); // the bin has been read
  selection.key = lowest;
  return selection;
}

} // namespace fused_bear_loss::cuda
