// The largest logits of a block's part of a row, as many as the threshold can need. A logit goes into the queue, in
// shared memory, where it is above a bound that at least `width` logits reach. The first bound comes from the first
// tile, so that few logits ever pass. Which ones do depends on the row alone, not on the order in which threads run, as
// the bound changes between barriers only.
#pragma once

#include "native/cuda/kernels/select.h"

namespace fused_bear_loss::cuda {

// The wanted-th largest of `count` keys in shared memory. 1 <= wanted <= count.
FBL_DEVICE std::uint32_t select_key(const std::uint32_t* keys, int count, int wanted) {
  if (count <= kMaxRankedCount) return select_by_rank(keys, count, wanted);
  return select_by_radix(0, 0xffffffffu, wanted, 1,
                         [&](const auto& visit) {
#pragma unroll 1
                           for (int i = static_cast<int>(threadIdx.x); i < count; i += thread_count()) visit(keys[i]);
                         })
      .key;
}

class TopQueue {
 public:
  // Width 0: nothing is queued. Before the first barrier.
  FBL_DEVICE explicit TopQueue(int width)
      : width_(width), bound_(width > 0 ? -infinity() : infinity()), is_unbounded_(width > 0) {
    if (threadIdx.x == 0) block_state().queued = 0;
  }

  // Only larger logits matter. The same in all threads, but for those that saw the queue overflow.
  FBL_DEVICE float bound() const { return bound_; }

  FBL_DEVICE void insert(float logit) {
    BlockState& state = block_state();
    if (!(logit > bound_)) return;
    const std::int32_t place = atomicAdd(&state.queued, 1);
    if (place < kQueueCapacity) {
      state.queue[place] = ordered_key(logit);
    } else {
      bound_ = infinity(); // the row is left to radix selection
    }
  }

  // All threads call, before each tile of the row and at its end, with the largest logit that the thread has of the
  // tile; `visit_tile(visit)` calls visit(key) for all that it has. Where there is no bound yet, takes one from the
  // tile; one with fewer than `width` logits, as under a constraint, leaves it to the next. With more than `limit`
  // logits in the queue, cuts it down; a limit of kQueueCapacity or more leaves it. `may_overflow`: the block's part of
  // the row is longer than the queue.
  template <class VisitTile>
  FBL_DEVICE void update(float largest, const VisitTile& visit_tile, bool may_overflow, int limit) {
    if (width_ == 0) return;
    if (is_unbounded_) {
      take_bound_of_tile(largest, visit_tile, may_overflow);
      // Tiles with few logits each fill the queue as well.
      if (is_unbounded_ && may_overflow) limit = width_;
    }
    if (limit < kQueueCapacity) cut(max(limit, width_));
  }

 private:
  template <class VisitTile>
  FBL_DEVICE void take_bound_of_tile(float largest, const VisitTile& visit_tile, bool may_overflow) {
    const int groups = put_maxima(largest);
    const int group_size = threads_in_group();
    // Of twice as many maxima as are wanted, few logits are above the one in the middle.
    if (groups >= 2 * width_) {
      raise_bound(select_by_rank(block_state().maxima, thread_count() / group_size, width_));
    } else if (groups > 0 && may_overflow) {
      const Selection selection =
          select_by_radix(ordered_key(-infinity()) + 1, ordered_key(infinity()), width_, 1, visit_tile);
      if (selection.count >= width_) raise_bound(selection.key);
    }
  }

  // Four threads make a group where that leaves enough of them: few keys are selected from faster.
  FBL_DEVICE int threads_in_group() const { return width_ * 2 <= thread_count() / 4 ? 4 : 1; }

  // Returns how many groups of threads have a logit above -infinity.
  FBL_DEVICE int put_maxima(float largest) {
    const int thread = static_cast<int>(threadIdx.x);
    const int group_size = threads_in_group();
    if (group_size > 1) {
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
    }
    const bool is_first = thread % group_size == 0;
    if (is_first) block_state().maxima[thread / group_size] = ordered_key(largest);
    return __syncthreads_count(is_first && largest > -infinity() ? 1 : 0);
  }

  FBL_DEVICE void raise_bound(std::uint32_t key) {
    bound_ = fmaxf(bound_, from_ordered_key(key));
    is_unbounded_ = false;
  }

  // Leaves the `width` largest at most, where there are more than `limit`.
  FBL_DEVICE void cut(int limit) {
    BlockState& state = block_state();
    __syncthreads(); // what was queued is there
    const int queued = state.queued;
    __syncthreads(); // and nothing comes in before all have seen how much
    if (queued > kQueueCapacity) bound_ = infinity();
    if (queued > kQueueCapacity || queued <= limit) return;
    const std::uint32_t key = select_key(state.queue, queued, width_);
    raise_bound(key);
    drop_queued(queued, key);
  }

  FBL_DEVICE void drop_queued(int queued, std::uint32_t cut) {
    BlockState& state = block_state();
    if (threadIdx.x == 0) state.survivors = 0;
    __syncthreads();
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) {
      if (state.queue[i] > cut) state.maxima[atomicAdd(&state.survivors, 1)] = state.queue[i];
    }
    __syncthreads();
    const int survivors = state.survivors;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < survivors; i += thread_count()) state.queue[i] = state.maxima[i];
    if (threadIdx.x == 0) state.queued = survivors;
    __syncthreads();
  }

  int width_;
  float bound_;
  bool is_unbounded_;
};

} // namespace fused_bear_loss::cuda
