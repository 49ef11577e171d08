// The largest logits of a plain row, found after its sweep. The sweep keeps one maximum for each group of logits only.
// Where at least `width` groups reach a bound, the `width` largest logits are in groups that reach it, and those few
// groups are read again. What is found depends on the row alone, in whatever order its logits come.
#pragma once

#include "native/cuda/kernels/threshold.h"
#include "native/cuda/kernels/top_queue.h"

namespace fused_bear_loss::cuda {

// Their place is that of a histogram, which radix selection needs later or not at all.
constexpr int kMaxGroups = kRadixBins * kRadixCopies;
FBL_DEVICE float* group_maxima() { return reinterpret_cast<float*>(block_state().histogram); }

// A group is what a thread has of 2^k neighbouring tiles, with k as small as the places for maxima allow.
FBL_DEVICE int log2_group_tiles(int tiles) {
  int log2 = 0;
#pragma unroll 1
  while (((tiles - 1) >> log2) * thread_count() > kMaxGroups - thread_count()) ++log2;
  return log2;
}

FBL_DEVICE int tiles_of(int vectors) { return (vectors + tile_step() - 1) / tile_step(); }

class GroupMaxima {
 public:
  FBL_DEVICE explicit GroupMaxima(int tiles)
      : place_(group_maxima() + threadIdx.x), mask_((tile_step() << log2_group_tiles(tiles)) - 1) {}

  // The thread's largest logit in the tile that ends before vector `end`. One tile after another.
  FBL_DEVICE void add(float largest, int end) {
    in_group_ = fmaxf(in_group_, largest);
    *place_ = in_group_;
    if ((end & mask_) != 0) return; // a tile has a power of two vectors
    in_group_ = -infinity();
    place_ += thread_count();
  }

 private:
  float* place_;
  float in_group_ = -infinity();
  const int mask_;
};

// Whether as many maxima as a warp has lanes give a bound for so many logits, which few others reach.
FBL_DEVICE bool has_bound_by_lanes(int width) { return 2 * width <= kWarpSize; }

// The largest logits of neighbouring threads, for bound_by_lanes().
FBL_DEVICE void put_lane_maxima(float largest) {
  const int together = thread_count() / kWarpSize;
#pragma unroll 1
  for (int distance = 1; distance < together; distance *= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
  }
  const int thread = static_cast<int>(threadIdx.x);
  if ((thread & (together - 1)) == 0) block_state().maxima[thread / together] = ordered_key(largest);
}

// After a barrier, by every warp, each of which gets the same.
FBL_DEVICE float bound_by_lanes(int width) {
  return from_ordered_key(select_by_warp(block_state().maxima, kWarpSize, width));
}

// The logits of a vector. Where they come one by one, none of them waits for another.
template <class Element>
FBL_DEVICE void load_logits(const RowSource<Element>& source, int vector, float (&x)[Packing<Element>::kLength]) {
  constexpr int kLength = Packing<Element>::kLength;
  const RowView<Element>& view = source.view;
  if (vector < source.kept_vectors || (view.wide && view.is_full(vector))) {
    Packing<Element>::unpack(vector < source.kept_vectors ? source.kept[vector] : view.load_wide(vector), x);
    return;
  }
#pragma unroll
  for (int e = 0; e < kLength; ++e) {
    const int position = vector * kLength + e;
    x[e] = position < view.count ? Packing<Element>::to_number(view.logits[position]) : -infinity();
  }
}

// Puts what the warp's threads swept and is above the bound into the queue; without the target. The lanes of a warp
// call together, with the largest of what each one swept.
template <class Element>
FBL_DEVICE void queue_largest(const RowSource<Element>& source, float largest, const TopQueue& queue) {
  constexpr int kLength = Packing<Element>::kLength;
  BlockState& state = block_state();
  if (__any_sync(kAllLanes, largest > queue.bound()) == 0) return;
  const int tiles = tiles_of(source.view.vectors());
  const int log2_tiles = log2_group_tiles(tiles);
  const int thread = static_cast<int>(threadIdx.x);
  std::uint8_t* const owners = state.owners[warp_index()];
#pragma unroll 1
  for (int group = 0; group << log2_tiles < tiles; ++group) {
    const bool is_above = group_maxima()[group * thread_count() + thread] > queue.bound();
    const unsigned above = __ballot_sync(kAllLanes, is_above);
    if (above == 0) continue;
    if (is_above) owners[__popc(above & ((1u << lane_index()) - 1))] = static_cast<std::uint8_t>(thread);
    __syncwarp();
    const int vectors = __popc(above) * kTileVectors << log2_tiles;
    // A lane takes a vector of one of those threads.
#pragma unroll 1
    for (int i = lane_index(); i < vectors; i += kWarpSize) {
      const int in_group = i & ((kTileVectors << log2_tiles) - 1);
      const int tile = (group << log2_tiles) + in_group / kTileVectors;
      const int owner = owners[i / kTileVectors >> log2_tiles];
      const int vector = tile_vector_of(owner, tile * tile_step(), in_group % kTileVectors);
      if (vector >= source.view.vectors()) continue;
      float x[kLength];
      load_logits(source, vector, x);
      const int target = source.view.target - vector * kLength;
#pragma unroll
      for (int e = 0; e < kLength; ++e) {
        if (x[e] > queue.bound() && e != target) queue.put(x[e]);
      }
    }
    __syncwarp(); // the owners have been read
  }
}

} // namespace fused_bear_loss::cuda
