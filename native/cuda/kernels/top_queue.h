// The largest logits of a row, as many as the threshold can need. A logit goes into the queue, in
// shared memory, where it is above a bound that at least `width` logits reach. The first bound comes from the first
// tile, so that few logits ever pass. Which ones do depends on the row alone, not on the order in which threads run, as
// the bound changes between barriers only.
#pragma once

#include <climits>

#include "native/cuda/kernels/row_view.h"
#include "native/cuda/kernels/select.h"

namespace fused_bear_loss::cuda {

// The wanted-th largest of `count` keys in shared memory. 1 <= wanted <= count.
FBL_DEVICE std::uint32_t select_key(const std::uint32_t* keys, int count, int wanted) {
  if (count <= kMaxRankedCount) return select_by_rank(keys, count, wanted);
  return select_by_radix(0, 0xffffffffu, wanted,
                         [&](const auto& visit) {
#pragma unroll 1
                           for (int i = static_cast<int>(threadIdx.x); i < count; i += thread_count()) visit(keys[i]);
                         })
      .key;
}

// Of the block's queue, where it holds more than `limit`: leaves what is above the wanted-th largest key and returns
// that key. Else 0; what a queue that overflowed returns is above all logits.
FBL_DEVICE_CALLED std::uint32_t cut_queue(int limit, int wanted) {
  BlockState& state = block_state();
  __syncthreads(); // what was queued is there
  const int queued = state.queued;
  __syncthreads(); // and nothing comes in before all have seen how much
  if (queued > kQueueCapacity) return ordered_key(infinity());
  if (queued <= limit) return 0;
  const std::uint32_t key = select_key(state.queue, queued, wanted);
  if (threadIdx.x == 0) state.survivors = 0;
  __syncthreads();
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) {
    if (state.queue[i] > key) state.maxima[atomicAdd(&state.survivors, 1)] = state.queue[i];
  }
  __syncthreads();
  const int survivors = state.survivors;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < survivors; i += thread_count()) state.queue[i] = state.maxima[i];
  if (threadIdx.x == 0) state.queued = survivors;
  __syncthreads();
  return key;
}

class TopQueue {
 public:
  // Width 0: nothing is queued. `may_overflow`: the row is longer than the queue. Before the first
  // barrier.
  FBL_DEVICE TopQueue(int width, bool may_overflow)
      : width_(width),
        may_overflow_(may_overflow),
        bound_(width > 0 ? -infinity() : infinity()),
        is_unbounded_(width > 0),
        next_update_(width > 0 ? 0 : INT_MAX) {
    if (threadIdx.x == 0) block_state().queued = 0;
  }

  // Only larger logits matter. The same in all threads, but for those that saw the queue overflow.
  FBL_DEVICE float bound() const { return bound_; }

  FBL_DEVICE void insert(float logit) {
    // A row that overflows the queue is left to radix selection.
    if (put(logit) >= kQueueCapacity) bound_ = infinity();
  }

  // Returns its place; -1: it is not above the bound.
  FBL_DEVICE std::int32_t put(float logit) const {
    BlockState& state = block_state();
    if (!(logit > bound_)) return -1;
    const std::int32_t place = atomicAdd(&state.queued, 1);
    if (place < kQueueCapacity) state.queue[place] = ordered_key(logit);
    return place;
  }

  // For rows that are swept first: a bound that all threads know, which `width` logits reach or -infinity.
  FBL_DEVICE void start_at(float bound) { bound_ = bound; }

  // The same as a bound of all threads, which call with the largest logit of each one's part of so many vectors.
  FBL_DEVICE void take_bound(float largest, int vectors) {
    const int log2 = log2_of_group(vectors);
    if (put_maxima(largest, log2) >= width_) {
      raise_bound(select_by_rank(block_state().maxima, thread_count() >> log2, width_));
    }
  }

  // All threads call before each tile of the row, with the largest logit that the thread has of it and the vectors of
  // the row that are left, the tile's included; `visit_tile(visit)` calls visit(key) for all logits that the thread
  // has.
  template <class VisitTile>
  FBL_DEVICE void update(float largest, int vectors_left, const VisitTile& visit_tile) {
    if (tiles_++ < next_update_) return;
    int limit = kQueueCapacity;
    if (!is_unbounded_) {
      // After 1, 2, 4, 8... tiles: a row in random order has doubled since then, and brought about `width` new ones.
      next_update_ *= 2;
      limit = kQueuePruneCount;
    } else {
      take_bound_of_tile(largest, vectors_left, visit_tile);
      next_update_ = tiles_;
      // Tiles with few logits each fill the queue as well.
      if (is_unbounded_ && may_overflow_) limit = width_;
    }
    if (limit < kQueueCapacity) cut(max(limit, width_));
  }

 private:
  // Takes a bound from a tile; one with fewer than `width` logits, as under a constraint, leaves it to the next.
  template <class VisitTile>
  FBL_DEVICE void take_bound_of_tile(float largest, int vectors_left, const VisitTile& visit_tile) {
    const int log2 = log2_of_group(vectors_left);
    const int groups = put_maxima(largest, log2);
    if (groups >= 2 * width_) {
      raise_bound(select_by_rank(block_state().maxima, thread_count() >> log2, width_));
      return;
    }
    if (groups == 0 || !may_overflow_) return;
    const Selection selection =
        select_by_radix(ordered_key(-infinity()) + 1, ordered_key(infinity()), width_, visit_tile);
    if (selection.count >= width_) raise_bound(selection.key);
  }

  // So many neighbouring threads make a group, as a power of two: fewer keys are selected from faster, and of twice as
  // many as are wanted, few logits are above the one in the middle.
  FBL_DEVICE int log2_of_group(int vectors_left) const {
    const int threads = busy_threads(min(vectors_left, tile_step()));
    int log2 = 3;
#pragma unroll 1
    while (log2 > 0 && width_ * 2 > threads >> log2) --log2;
    return log2;
  }

  // Returns how many groups of threads have a logit above -infinity.
  FBL_DEVICE int put_maxima(float largest, int log2_of_group) {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll 1
    for (int distance = 1; distance < 1 << log2_of_group; distance *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
    }
    const bool is_first = (thread & ((1 << log2_of_group) - 1)) == 0;
    if (is_first) block_state().maxima[thread >> log2_of_group] = ordered_key(largest);
    return __syncthreads_count(is_first && largest > -infinity() ? 1 : 0);
  }

  FBL_DEVICE void raise_bound(std::uint32_t key) {
    bound_ = fmaxf(bound_, from_ordered_key(key));
    is_unbounded_ = false;
  }

  // Leaves the `width` largest at most, where there are more than `limit`.
  FBL_DEVICE void cut(int limit) {
    const std::uint32_t key = cut_queue(limit, width_);
    if (key != 0) raise_bound(key);
  }

  const int width_;
  const bool may_overflow_;
  float bound_;
  bool is_unbounded_;
  int tiles_ = 0;       // that were swept
  int next_update_ = 0; // after so many tiles
};

} // namespace fused_bear_loss::cuda
