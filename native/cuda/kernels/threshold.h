// The threshold of a row that has been swept: its logit, from the queue or by radix selection, and for the
// flow gradient its token.
#pragma once

#include "native/cuda/kernels/row_outcome.h"
#include "native/cuda/kernels/row_view.h"
#include "native/cuda/kernels/select.h"

namespace fused_bear_loss::cuda {

// How many of a row's allowed logits decide about its threshold.
FBL_DEVICE int queue_width(const LossProblem& problem, int allowed) {
  const long beam_width = problem.pruning_statistics ? static_cast<long>(problem.beam_width) : 1;
  return static_cast<int>(min(beam_width, static_cast<long>(allowed)));
}

// A row that is gone through again.
template <class Element>
struct RowSource {
  const RowView<Element>& view;
  const uint4* kept;
  int kept_vectors; // the others come from global memory

  FBL_DEVICE uint4 load(int vector) const { return vector < kept_vectors ? kept[vector] : view.load(vector); }
};

template <class Element, class Visit>
FBL_DEVICE void visit_logits(const RowSource<Element>& source, const Visit& visit) {
#pragma unroll 1
  for (int v = static_cast<int>(threadIdx.x); v < source.view.vectors(); v += thread_count()) {
    visit_keys<Element>(source.load(v), visit);
  }
}

// What is known before anything is selected: `bound` is the queue's.
FBL_DEVICE Threshold threshold_at_bound(float bound, int width, int queued) {
  const bool bounded = bound > -infinity();
  Threshold threshold = {};
  threshold.position = -1;
  threshold.logit = bound;
  // Without a bound, every logit of A is in the queue.
  threshold.effective_width = bounded ? width : min(width, queued);
  threshold.several_allowed = bounded || queued > 1;
  return threshold;
}

// All threads of the row call and get the same. `bound` is the queue's, `largest` the row's.
template <class Element>
FBL_DEVICE Threshold find_threshold(const RowSource<Element>& source, float bound, float largest, int width) {
  BlockState& state = block_state();
  const int queued = state.queued;
  const bool by_queue = width <= kMaxQueueWidth && queued <= kQueueCapacity;
  Threshold threshold = threshold_at_bound(bound, width, queued);
  if (by_queue) {
    if (queued < threshold.effective_width) return threshold;
    if (queued <= kMaxRankedCount) {
      const std::uint32_t key = select_by_rank(state.queue, queued, threshold.effective_width);
      threshold.logit = fmaxf(bound, from_ordered_key(key));
      return threshold;
    }
  }
  const Selection selection =
      select_by_radix(ordered_key(-infinity()) + 1, ordered_key(largest), width, [&](const auto& visit) {
        if (!by_queue) {
          visit_logits(source, visit);
          return;
        }
#pragma unroll 1
        for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) visit(state.queue[i]);
      });
  threshold.logit = from_ordered_key(selection.key);
  if (by_queue) {
    threshold.logit = fmaxf(bound, threshold.logit);
  } else {
    threshold.effective_width = min(width, selection.count);
    threshold.several_allowed = selection.count > 1;
  }
  return threshold;
}

// Finds the position of element number effective_width of A in the order (logit descending, position ascending). All
// threads of the row call and get the same.
template <class Element>
FBL_DEVICE std::int32_t find_threshold_position(const RowSource<Element>& source, const Threshold& found) {
  constexpr int kLength = RowView<Element>::kLength;
  BlockState& state = block_state();
  const float logit = found.logit;

  // Every warp counts in a run of neighbouring vectors.
  const int vectors = source.view.vectors();
  const int share = (vectors + warp_count() - 1) / warp_count();
  const int begin = min(vectors, warp_index() * share);
  const int end = min(vectors, begin + share);
  const auto count_equal = [&](int vector, int& greater) {
    float x[kLength];
    Packing<Element>::unpack(source.load(vector), x);
    int equal = 0;
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      equal += x[e] == logit ? 1 : 0;
      greater += x[e] > logit ? 1 : 0;
    }
    return equal;
  };
  int equal = 0;
  int greater = 0;
#pragma unroll 1
  for (int vector = begin + lane_index(); vector < end; vector += kWarpSize) equal += count_equal(vector, greater);
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    equal += __shfl_xor_sync(kAllLanes, equal, distance);
    greater += __shfl_xor_sync(kAllLanes, greater, distance);
  }
  if (lane_index() == 0) {
    state.warp_equal[warp_index()] = equal;
    state.warp_greater[warp_index()] = greater;
  }
  __syncthreads();

  int number = found.effective_width - 1; // of the threshold token among those of its logit, from this warp's first on
#pragma unroll 1
  for (int warp = 0; warp < warp_count(); ++warp) {
    number -= state.warp_greater[warp];
    if (warp < warp_index()) number -= state.warp_equal[warp];
  }
  if (number >= 0 && number < equal) {
#pragma unroll 1
    for (int base = begin; base < end; base += kWarpSize) {
      const int vector = base + lane_index();
      int unused = 0;
      const int own = vector < end ? count_equal(vector, unused) : 0;
      int through = own;
#pragma unroll 1
      for (int distance = 1; distance < kWarpSize; distance *= 2) {
        const int before = __shfl_up_sync(kAllLanes, through, distance);
        if (lane_index() >= distance) through += before;
      }
      const int in_warp = __shfl_sync(kAllLanes, through, kWarpSize - 1);
      if (number >= through - own && number < through) {
        float x[kLength];
        Packing<Element>::unpack(source.load(vector), x);
        int left = number - (through - own);
#pragma unroll
        for (int e = 0; e < kLength; ++e) {
          if (x[e] == logit && left-- == 0) state.threshold_position = vector * kLength + e;
        }
      }
      number -= in_warp;
      if (number < 0) break;
    }
  }
  __syncthreads();
  return state.threshold_position;
}

} // namespace fused_bear_loss::cuda
