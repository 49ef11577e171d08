// The threshold of a row that has been swept: its logit, from the blocks' queues or by radix selection, and for the
// flow gradient its token.
#pragma once

#include "native/cuda/kernels/row_outcome.h"
#include "native/cuda/kernels/row_view.h"
#include "native/cuda/kernels/select.h"

namespace fused_bear_loss::cuda {

// What the blocks of a cluster found, put together in the order of their slices.
struct RowFindings {
  SlicePartial total; // without `sum_others`
  bool has_nan;
  bool overflowed; // some block's queue
};

FBL_DEVICE RowFindings collect_partials(int cluster_size) {
  BlockState& state = block_state();
  RowFindings findings;
  findings.total = *peer_shared(&state.partial, 0);
  findings.has_nan = findings.total.sum_others != findings.total.sum_others;
  findings.overflowed = findings.total.queued > kQueueCapacity;
#pragma unroll 1
  for (int rank = 1; rank < cluster_size; ++rank) {
    const SlicePartial& partial = *peer_shared(&state.partial, rank);
    SlicePartial& total = findings.total;
    findings.has_nan |= partial.sum_others != partial.sum_others;
    findings.overflowed |= partial.queued > kQueueCapacity;
    total.max_others = fmaxf(total.max_others, partial.max_others);
    total.bound = fmaxf(total.bound, partial.bound);
    total.above += partial.above;
    total.allowed += partial.allowed;
    total.sum_scaled += partial.sum_scaled;
    total.queued += partial.queued;
    if (partial.target_position >= 0) {
      total.target_position = partial.target_position;
      total.target_logit = partial.target_logit;
    }
  }
  return findings;
}

// The blocks' sums, relative to the row's maximum.
FBL_DEVICE double sum_of_others(const RowFindings& findings, const CappedLogits& capping, int cluster_size) {
  BlockState& state = block_state();
  const float reference = capping.capped(findings.total.max_others);
  double sum = 0;
#pragma unroll 1
  for (int rank = 0; rank < cluster_size; ++rank) {
    const SlicePartial& partial = *peer_shared(&state.partial, rank);
    const float ratio = capping.exponential(capping.capped(partial.max_others), reference);
    if (partial.sum_others != 0) sum += static_cast<double>(partial.sum_others) * static_cast<double>(ratio);
  }
  return sum;
}

// A block's part of a row that is gone through again.
template <class Element>
struct RowSource {
  const RowView<Element>& view;
  Slice slice;
  const uint4* kept; // null: from global memory

  FBL_DEVICE uint4 load(int vector) const { return kept != nullptr ? kept[vector - slice.begin] : view.load(vector); }
};

template <class Element, class Visit>
FBL_DEVICE void visit_logits(const RowSource<Element>& source, const Visit& visit) {
#pragma unroll 1
  for (int v = source.slice.begin + static_cast<int>(threadIdx.x); v < source.slice.end; v += thread_count()) {
    ElementWindow<Element> window(source.load(v));
#pragma unroll 1
    for (int e = 0; e < RowView<Element>::kLength; ++e) {
      visit(ordered_key(Packing<Element>::to_number(window.first())));
      window.push(0);
    }
  }
}

// Puts the other blocks' queues behind the first block's own; returns how many logits there are.
FBL_DEVICE std::int32_t gather_queues(const RowFindings& findings, int cluster_size) {
  BlockState& state = block_state();
#pragma unroll 1
  for (int rank = 1; rank < cluster_size; ++rank) {
    const std::int32_t queued = peer_shared(&state.partial, rank)->queued;
    const std::uint32_t* const queue = peer_shared(state.queue, rank);
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) {
      const std::uint32_t key = queue[i];
      if (from_ordered_key(key) > findings.total.bound) state.queue[atomicAdd(&state.queued, 1)] = key;
    }
  }
  __syncthreads();
  return state.queued;
}

// The queues of the cluster's first blocks, by the threads of the first one.
template <class Visit>
FBL_DEVICE void visit_queues(int blocks, const Visit& visit) {
#pragma unroll 1
  for (int rank = 0; rank < blocks; ++rank) {
    const BlockState& state = rank > 0 ? *peer_shared(&block_state(), rank) : block_state();
    const std::int32_t queued = state.queued;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) visit(state.queue[i]);
  }
}

// All threads of the row call; with a cluster, only the first block has what the queues give.
template <class Element>
FBL_DEVICE Threshold find_threshold(const RowSource<Element>& source, const RowFindings& findings, int width,
                                    int cluster_size) {
  BlockState& state = block_state();
  const float bound = findings.total.bound;
  const bool bounded = bound > -infinity();
  const bool by_queues = width <= kMaxQueueWidth && !findings.overflowed;
  Threshold threshold = {};
  threshold.position = -1;
  // More than the first block has places for stay where they are.
  const bool gathered = findings.total.queued <= kQueueCapacity;
  if (by_queues) {
    // Without a bound, every logit of A is in a queue.
    threshold.effective_width = bounded ? width : min(width, findings.total.queued);
    threshold.several_allowed = bounded || findings.total.queued > 1;
    threshold.logit = bound;
    if (cluster_size > 1 && cluster_rank() != 0) return threshold;
    const std::int32_t queued = gathered ? gather_queues(findings, cluster_size) : findings.total.queued;
    if (queued < threshold.effective_width) return threshold;
    if (queued <= kMaxRankedCount) {
      const std::uint32_t key = select_by_rank(state.queue, queued, threshold.effective_width);
      threshold.logit = fmaxf(bound, from_ordered_key(key));
      return threshold;
    }
  }
  const float largest = fmaxf(findings.total.max_others, findings.total.target_logit);
  const Selection selection = select_by_radix(ordered_key(-infinity()) + 1, ordered_key(largest), width,
                                              by_queues ? 1 : cluster_size, [&](const auto& visit) {
                                                if (by_queues) {
                                                  visit_queues(gathered ? 1 : cluster_size, visit);
                                                } else {
                                                  visit_logits(source, visit);
                                                }
                                              });
  threshold.logit = from_ordered_key(selection.key);
  if (by_queues) {
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
FBL_DEVICE std::int32_t find_threshold_position(const RowSource<Element>& source, const Threshold& found,
                                                int cluster_size) {
  constexpr int kLength = RowView<Element>::kLength;
  BlockState& state = block_state();
  const int rank = cluster_size > 1 ? cluster_rank() : 0;
  if (rank == 0 && threadIdx.x == 0) {
    state.threshold_logit = found.logit;
    state.effective_width = found.effective_width;
  }
  row_barrier(cluster_size);
  const float logit = peer_shared(&state, 0)->threshold_logit;
  const std::int32_t width = peer_shared(&state, 0)->effective_width;

  // Every warp counts in a run of neighbouring vectors.
  const int share = (source.slice.end - source.slice.begin + warp_count() - 1) / warp_count();
  const int begin = min(source.slice.end, source.slice.begin + warp_index() * share);
  const int end = min(source.slice.end, begin + share);
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
  if (threadIdx.x == 0) {
    int all_equal = 0;
    int all_greater = 0;
#pragma unroll 1
    for (int warp = 0; warp < warp_count(); ++warp) {
      all_equal += state.warp_equal[warp];
      all_greater += state.warp_greater[warp];
    }
    state.equal = all_equal;
    state.greater = all_greater;
  }
  row_barrier(cluster_size);

  int number = width - 1; // of the threshold token among those of its logit, from this warp's first on
#pragma unroll 1
  for (int other = 0; other < cluster_size; ++other) {
    number -= peer_shared(&state, other)->greater;
    if (other < rank) number -= peer_shared(&state, other)->equal;
  }
#pragma unroll 1
  for (int warp = 0; warp < warp_index(); ++warp) number -= state.warp_equal[warp];
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
          if (x[e] == logit && left-- == 0) peer_shared(&state, 0)->threshold_position = vector * kLength + e;
        }
      }
      number -= in_warp;
      if (number < 0) break;
    }
  }
  row_barrier(cluster_size);
  return peer_shared(&state, 0)->threshold_position;
}

} // namespace fused_bear_loss::cuda
