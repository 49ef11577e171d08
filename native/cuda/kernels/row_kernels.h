// The kernels that read logits: one row to a block, or to a cluster of blocks. Included by one file per dtype, so that
// they are compiled side by side.
#pragma once

#include "native/cuda/kernels/gradient_sweep.h"
#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/row_outcome.h"
#include "native/cuda/kernels/row_sweep.h"
#include "native/cuda/kernels/threshold.h"

namespace fused_bear_loss::cuda {

template <class Element>
FBL_DEVICE RowView<Element> view_of(const RowLaunch& launch, std::int64_t row, std::uint8_t flags) {
  const LossProblem& problem = launch.call.problem;
  RowView<Element> view = {};
  view.logits = static_cast<const typename Packing<Element>::Bits*>(problem.logits) +
                (row - launch.chunk_row) * problem.row_stride;
  view.target = problem.targets[row];
  view.count = static_cast<std::int32_t>(problem.vocab_size);
  view.wide = is_aligned16(view.logits) && problem.allowed_offsets == nullptr;
  if (problem.allowed_offsets != nullptr) {
    const std::int32_t offset = problem.allowed_offsets[row];
    view.tokens = problem.allowed_tokens + offset;
    view.count = (flags & kRowFaulty) != 0 ? 0 : problem.allowed_offsets[row + 1] - offset;
  }
  if (problem.allowed_bitmask != nullptr) {
    view.bitmask = problem.allowed_bitmask + row * bitmask_words(problem.vocab_size);
  }
  return view;
}

template <class Element>
FBL_DEVICE GradientRow<Element> gradient_row_of(const RowLaunch& launch, std::int64_t row) {
  const LossProblem& problem = launch.call.problem;
  GradientRow<Element> gradient;
  gradient.out = static_cast<typename Packing<Element>::Bits*>(launch.call.outputs.grad_logits) +
                 (row - launch.chunk_row) * launch.call.outputs.grad_row_stride;
  gradient.vocab_size = problem.vocab_size;
  gradient.wide = is_aligned16(gradient.out) && problem.allowed_offsets == nullptr;
  gradient.sparse = problem.gradient == GradientMode::kInPlaceSparse;
  return gradient;
}

// All threads of the row call. `kept` tells whether all of the row's blocks keep their slices.
template <class Element, bool kSoftcap>
FBL_DEVICE void write_gradient(const RowView<Element>& view, Slice slice, const CappedLogits<kSoftcap>& capping,
                               const GradientFactors& factors, const uint4* kept, const GradientRow<Element>& gradient,
                               int cluster_size) {
  const int rank = cluster_size > 1 ? cluster_rank() : 0;
  const bool listed = view.tokens != nullptr;
  if (factors.kind == kFaulty || (factors.kind == kZero && !gradient.sparse)) {
    if (!gradient.sparse) fill_row(gradient, factors.kind == kFaulty ? not_a_number() : 0, rank, cluster_size);
    return;
  }
  GradientSweep<Element, kSoftcap> sweep(view, slice, capping, factors, kept, gradient);
  if (listed && !gradient.sparse) {
    if (kept != nullptr) {
      fill_row(gradient, 0, rank, cluster_size);
      row_barrier(cluster_size); // before the listed tokens get what is theirs
    } else {
      sweep.fill_gaps();
    }
  }
  sweep.run();
}

// Sweep, statistics and, where asked, the gradient of a row.
template <class Element, bool kSoftcap>
__global__ void __launch_bounds__(kMaxThreads, 2) row_kernel(const __grid_constant__ RowLaunch launch) {
  const LossProblem& problem = launch.call.problem;
  const DeviceProblem& call = launch.call;
  const int cluster_size = launch.cluster_size;
  const int rank = cluster_size > 1 ? cluster_rank() : 0;
  const bool leads = rank == 0 && threadIdx.x == 0;
  const std::int64_t row = launch.first_row + blockIdx.x / static_cast<unsigned>(cluster_size);
  const std::uint8_t flags = launch.workspace.flags[row];
  const bool skipped = (flags & kRowCounted) == 0 || (flags & kRowFaulty) != 0;

  const RowView<Element> view = view_of<Element>(launch, row, flags);
  const int vectors = view.vectors();
  const Slice slice = slice_of(vectors, rank, cluster_size);
  const bool keeps = !skipped && (vectors + cluster_size - 1) / cluster_size <= launch.row_capacity;
  uint4* const kept = keeps ? kept_row() : nullptr;
  const CappedLogits<kSoftcap> capping = CappedLogits<kSoftcap>::make(problem);
  BlockState& state = block_state();

  if (skipped) {
    row_barrier(cluster_size); // everyone has read the flags
    if (leads) {
      const unsigned poisoned = (flags & kRowFaulty) != 0 ? kRowPoisoned | kRowNonFinite : 0u;
      const std::uint8_t all_flags = static_cast<std::uint8_t>(flags | poisoned);
      conclude_special_row(call, launch.workspace, row, all_flags, false);
      state.factors = gradient_factors(problem, *launch.workspace.summary, row, RowRecord{}, all_flags);
    }
  } else {
    const std::int64_t beam_width = problem.pruning_statistics ? problem.beam_width : 1;
    const int width = static_cast<int>(min(static_cast<long>(beam_width), static_cast<long>(view.count)));
    if (threadIdx.x == 0) {
      state.target_position = -1;
      state.target_logit = 0;
    }
    // Two at least, which tells a row with a single allowed token from others.
    TopQueue queue(width <= kMaxQueueWidth ? max(width, 2) : 0);
    __syncthreads();
    const bool smoothing = problem.label_smoothing > 0;
    const float ranked_logit =
        call.outputs.rank == nullptr ? infinity() : Packing<Element>::to_number(view.logits[view.target]);
    RowSweep<Element, kSoftcap> sweep(view, slice, capping, queue, smoothing, ranked_logit, kept);
    sweep.run();
    if (cluster_size > 1) queue.prune_above(kQueueCapacity / cluster_size);
    sweep.reduce();
    row_barrier(cluster_size);

    const RowFindings findings = collect_partials(cluster_size);
    const float target = findings.total.target_logit;
    const float largest = fmaxf(findings.total.max_others, target);
    const bool all_masked = largest == -infinity() && target == target && !findings.has_nan;
    const bool poisoned = findings.has_nan || target != target || largest == infinity() || largest == -infinity();
    if (poisoned) {
      if (leads) {
        const std::uint8_t all_flags = static_cast<std::uint8_t>(flags | kRowPoisoned | kRowNonFinite);
        conclude_special_row(call, launch.workspace, row, all_flags, all_masked);
        RowRecord record = {};
        record.all_masked = all_masked ? 1 : 0;
        state.factors = gradient_factors(problem, *launch.workspace.summary, row, record, all_flags);
      }
    } else {
      const RowSource<Element> source = {view, slice, kept};
      Threshold threshold = find_threshold(source, findings, width, cluster_size);
      if (problem.threshold_gradient == ThresholdGradient::kFlow && problem.gradient != GradientMode::kNone) {
        threshold.position = find_threshold_position(source, threshold, cluster_size);
      }
      if (leads) {
        RowSums sums;
        sums.target_logit = target;
        const float max_others = findings.total.max_others;
        sums.reference_logit = max_others == -infinity() ? target : max_others;
        sums.sum_others = sum_of_others(findings, capping, cluster_size);
        sums.max_logit = largest;
        sums.threshold_logit = threshold.logit;
        sums.effective_width = threshold.effective_width;
        sums.several_allowed = threshold.several_allowed;
        sums.allowed_count = findings.total.allowed;
        sums.sum_scaled = findings.total.sum_scaled / problem.temperature;
        const RowRecord record =
            conclude_row(call, launch.workspace, row, sums, capping, max_others, findings.total, threshold);
        state.factors =
            gradient_factors(problem, *launch.workspace.summary, row, record, launch.workspace.flags[row]);
      }
    }
  }
  row_barrier(cluster_size);
  if (launch.write_gradient) {
    const GradientFactors factors = peer_shared(&state, 0)->factors;
    write_gradient(view, slice, capping, factors, kept, gradient_row_of<Element>(launch, row), cluster_size);
  }
  if (cluster_size > 1) FBL_CLUSTER_BARRIER(); // no block ends while another reads its memory
}

// The gradient of rows whose records are in the workspace.
template <class Element, bool kSoftcap>
__global__ void __launch_bounds__(kMaxThreads, 2) gradient_kernel(const __grid_constant__ RowLaunch launch) {
  const LossProblem& problem = launch.call.problem;
  const std::int64_t row = launch.first_row + blockIdx.x;
  const std::uint8_t flags = launch.workspace.flags[row];
  BlockState& state = block_state();
  if (threadIdx.x == 0) {
    state.factors =
        gradient_factors(problem, *launch.workspace.summary, row, launch.workspace.records[row], flags);
  }
  __syncthreads();
  const GradientFactors factors = state.factors;
  const RowView<Element> view = view_of<Element>(launch, row, flags);
  const CappedLogits<kSoftcap> capping = CappedLogits<kSoftcap>::make(problem);
  const Slice slice = {0, view.vectors()};
  write_gradient<Element, kSoftcap>(view, slice, capping, factors, nullptr, gradient_row_of<Element>(launch, row), 1);
}

using RowKernelPointer = void (*)(RowLaunch);

inline cudaError_t launch_kernel(RowKernelPointer kernel, const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  const cudaError_t status = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                  cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                  static_cast<int>(config.dynamicSmemBytes));
  if (status != cudaSuccess) return status;
  return cudaLaunchKernelEx(&config, kernel, launch);
}

template <class Element>
cudaError_t launch_row_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  const bool capped = launch.call.problem.softcap > 0;
  return launch_kernel(capped ? row_kernel<Element, true> : row_kernel<Element, false>, config, launch);
}

template <class Element>
cudaError_t launch_gradient_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  const bool capped = launch.call.problem.softcap > 0;
  return launch_kernel(capped ? gradient_kernel<Element, true> : gradient_kernel<Element, false>, config, launch);
}

} // namespace fused_bear_loss::cuda
