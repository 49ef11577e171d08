// The largest logits of a block's part of a row, as many as the threshold can need. A logit goes into the queue, in
// shared memory, where it is above a bound that at least `width` logits reach; the first bound comes from the maxima of
// groups of threads over the first logits, so that few logits ever pass. Which ones do depends on the row alone, not on
// the order in which threads run, as the bound changes between barriers only.
#pragma once

#include "native/cuda/kernels/select.h"

namespace fused_bear_loss::cuda {

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

  // Raises the bound by the largest logit that each thread has of its next ones, where there is no bound yet: a tile
  // without `width` groups that have any, as under a constraint, leaves it to the next one. All threads call.
  FBL_DEVICE void raise_by_maxima(float largest) {
    if (!is_unbounded_) return;
    BlockState& state = block_state();
    // Four threads make a group where that leaves enough of them: few keys are selected from faster.
    const int shift = width_ * 2 <= thread_count() / 4 ? 2 : 0;
    if (shift > 0) {
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
    }
    const int thread = static_cast<int>(threadIdx.x);
    const bool leads = (thread & ((1 << shift) - 1)) == 0;
    if (leads) state.maxima[thread >> shift] = ordered_key(largest);
    const int finite = __syncthreads_count(leads && largest > -infinity() ? 1 : 0);
    if (finite >= width_) {
      const float raised = from_ordered_key(select_key(state.maxima, thread_count() >> shift, width_));
      bound_ = fmaxf(bound_, raised);
      is_unbounded_ = false;
    } else {
      __syncthreads(); // the maxima may be written again
    }
  }

  // Cuts the queue down where it is more than half full. All threads call, between tiles.
  FBL_DEVICE void prune_if_full() { prune_above(kQueuePruneCount); }

  FBL_DEVICE void prune_above(int limit) {
    if (width_ == 0) return;
    BlockState& state = block_state();
    __syncthreads(); // what was queued is there
    const int queued = state.queued;
    __syncthreads(); // and nothing comes in before all have seen how much
    if (queued > kQueueCapacity) bound_ = infinity();
    if (queued > kQueueCapacity || queued <= max(limit, width_)) return;
    const std::uint32_t cut = select_key(state.queue, queued, width_);
    if (threadIdx.x == 0) state.survivors = 0;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) {
      if (state.queue[i] > cut) state.maxima[atomicAdd(&state.survivors, 1)] = state.queue[i];
    }
    __syncthreads();
    const int survivors = state.survivors;
    for (int i = static_cast<int>(threadIdx.x); i < survivors; i += thread_count()) state.queue[i] = state.maxima[i];
    if (threadIdx.x == 0) state.queued = survivors;
    __syncthreads();
    bound_ = fmaxf(bound_, from_ordered_key(cut));
    is_unbounded_ = false;
  }

 private:
  int width_;
  float bound_;
  bool is_unbounded_;
};

} // namespace fused_bear_loss::cuda
