// The threshold of a row that has been swept: its logit, from the blocks' queues or by radix selection, and for the
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

FBL_DEVICE RowFindings collect_findings(int slices, int cluster_size) {
  BlockState& state = block_state();
  RowFindings findings = {};
  findings.total.max_others = -infinity();
#pragma unroll 1
  for (int index = 0; index < slices; ++index) {
    const SliceSums& sums = slice_sums(index, cluster_size);
    SliceSums& total = findings.total;
    findings.has_nan |= sums.sum_others != sums.sum_others;
    total.max_others = fmaxf(total.max_others, sums.max_others);
    total.above += sums.above;
    total.allowed += sums.allowed;
    total.sum_scaled += sums.sum_scaled;
  }
  findings.all = state.findings;
  findings.overflowed = state.findings.queued > kQueueCapacity;
  if (cluster_size == 1) return findings;
  findings.all = {0, -1, -infinity(), 0};
#pragma unroll 1
  for (int rank = 0; rank < cluster_size; ++rank) {
    const BlockFindings& block = *peer_shared(&state.findings, rank);
    BlockFindings& all = findings.all;
    findings.overflowed |= block.queued > kQueueCapacity;
    all.bound = fmaxf(all.bound, block.bound);
    all.queued += block.queued;
    if (block.target_position >= 0) {
      all.target_position = block.target_position;
      all.target_logit = block.target_logit;
    }
  }
  return findings;
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
    visit_keys<Element>(source.load(v), visit);
  }
}

// Puts the other blocks' queues behind the block's own; returns how many logits there are. All blocks of a cluster do
// so at the same time: what they read of each other are the entries that the sweep left.
FBL_DEVICE std::int32_t gather_queues(const RowFindings& findings, int cluster_size) {
  BlockState& state = block_state();
  if (cluster_size == 1) return findings.all.queued;
#pragma unroll 1
  for (int rank = 0; rank < cluster_size; ++rank) {
    if (rank == cluster_rank()) continue;
    const std::int32_t queued = peer_shared(&state.findings, rank)->queued;
    const std::uint32_t* const queue = peer_shared(state.queue, rank);
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) {
      const std::uint32_t key = queue[i];
      if (from_ordered_key(key) > findings.all.bound) state.queue[atomicAdd(&state.queued, 1)] = key;
    }
  }
  __syncthreads();
  return state.queued;
}

// The queues of all blocks of the row, by the threads of one.
template <class Visit>
FBL_DEVICE void visit_queues(int cluster_size, const Visit& visit) {
#pragma unroll 1
  for (int rank = 0; rank < cluster_size; ++rank) {
    const BlockState& state = cluster_size > 1 ? *peer_shared(&block_state(), rank) : block_state();
    const std::int32_t queued = state.findings.queued;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) visit(state.queue[i]);
  }
}

// All threads of the row call and get the same: each block of a cluster selects for itself.
template <class Element>
FBL_DEVICE Threshold find_threshold(const RowSource<Element>& source, const RowFindings& findings, int width,
                                    int cluster_size) {
  BlockState& state = block_state();
  const float bound = findings.all.bound;
  const bool bounded = bound > -infinity();
  const bool by_queues = width <= kMaxQueueWidth && !findings.overflowed;
  Threshold threshold = {};
  threshold.position = -1;
  // More than a block has places for stay where they are.
  const bool gathers = findings.all.queued <= kQueueCapacity;
  if (by_queues) {
    // Without a bound, every logit of A is in a queue.
    threshold.effective_width = bounded ? width : min(width, findings.all.queued);
    threshold.several_allowed = bounded || findings.all.queued > 1;
    threshold.logit = bound;
    const std::int32_t queued = gathers ? gather_queues(findings, cluster_size) : findings.all.queued;
    if (queued < threshold.effective_width) return threshold;
    if (queued <= kMaxRankedCount) {
      const std::uint32_t key = select_by_rank(state.queue, queued, threshold.effective_width);
      threshold.logit = fmaxf(bound, from_ordered_key(key));
      return threshold;
    }
  }
  const float largest = fmaxf(findings.total.max_others, findings.all.target_logit);
  const Selection selection = select_by_radix(
      ordered_key(-infinity()) + 1, ordered_key(largest), width, by_queues ? 1 : cluster_size, [&](const auto& visit) {
        if (!by_queues) {
          visit_logits(source, visit);
        } else if (gathers) {
          const std::int32_t queued = state.queued;
#pragma unroll 1
          for (int i = static_cast<int>(threadIdx.x); i < queued; i += thread_count()) visit(state.queue[i]);
        } else {
          visit_queues(cluster_size, visit);
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
