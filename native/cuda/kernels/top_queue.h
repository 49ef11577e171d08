// The largest logits of a block's part of a row, as many as the threshold can need. A logit goes into the queue, in
// shared memory, where it is above a bound that at least `width` logits reach; the first bound comes from the maxima of
// groups of threads over the first logits, so that few logits ever pass. Which ones do depends on the row alone, not on
// the order in which threads run, as the bound changes between barriers only.
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

  // All threads call, before each tile of the row and at its end. Where there is no bound yet, takes one from the
  // largest logits of two halves of what each thread has of the tile: a tile without `width` groups that have any, as
  // under a constraint, leaves it to the next. Else, with more than `limit` logits in the queue, cuts it down; a limit
  // of kQueueCapacity or more leaves it.
  FBL_DEVICE void update(float first_largest, float second_largest, int limit) {
    BlockState& state = block_state();
    const std::uint32_t* keys = state.maxima;
    int count = 0;
    const bool by_maxima = is_unbounded_;
    if (by_maxima) {
      count = put_maxima(first_largest, second_largest);
    } else if (width_ > 0 && limit < kQueueCapacity) {
      __syncthreads(); // what was queued is there
      keys = state.queue;
      count = state.queued;
      __syncthreads(); // and nothing comes in before all have seen how much
      if (count > kQueueCapacity) bound_ = infinity();
      if (count > kQueueCapacity || count <= max(limit, width_)) count = 0;
    }
    if (count == 0) return;
    const std::uint32_t cut = select_key(keys, count, width_);
    bound_ = fmaxf(bound_, from_ordered_key(cut));
    is_unbounded_ = false;
    if (!by_maxima) drop_queued(count, cut);
  }

 private:
  // How many maxima there are to select from; 0: fewer than `width` of them are above -infinity.
  FBL_DEVICE int put_maxima(float first, float second) {
    BlockState& state = block_state();
    const int thread = static_cast<int>(threadIdx.x);
    // Four threads make a group where that leaves enough of them: few keys are selected from faster.
    const bool shared = width_ * 2 <= thread_count() / 4;
    int finite = 0;
    if (shared) {
      first = fmaxf(first, second);
      first = fmaxf(first, __shfl_xor_sync(kAllLanes, first, 1));
      first = fmaxf(first, __shfl_xor_sync(kAllLanes, first, 2));
      if (thread % 4 == 0) {
        state.maxima[thread / 4] = ordered_key(first);
        finite = first > -infinity() ? 1 : 0;
      }
    } else {
      state.maxima[thread] = ordered_key(first);
      state.maxima[thread + thread_count()] = ordered_key(second);
    }
    const int count = shared ? thread_count() / 4 : thread_count() * 2;
    int reached = __syncthreads_count(shared ? finite : (first > -infinity() ? 1 : 0));
    const int others = __syncthreads_count(!shared && second > -infinity() ? 1 : 0);
    reached += others;
    return reached >= width_ ? count : 0;
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
