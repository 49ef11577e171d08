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
FBL_DEVICE RowView<Element> view_of(const RowLaunch& launch, std::int64_t row, unsigned flags) {
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

// A block's part of a row.
template <class Element>
struct RowPart {
  RowView<Element> view;
  Slice slice;
  CappedLogits capping;
  uint4* kept; // null: the slice is not kept; the same for all blocks of the row

  FBL_DEVICE RowPart(const RowLaunch& launch, std::int64_t row, unsigned flags, int rank)
      : view(view_of<Element>(launch, row, flags)),
        slice(slice_of(view.vectors(), rank, launch.cluster_size)),
        capping(launch.scaling) {
    const bool swept = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;
    const int share = (view.vectors() + launch.cluster_size - 1) / launch.cluster_size;
    kept = swept && share <= launch.row_capacity ? kept_row() : nullptr;
  }
};

// All threads of the row call.
template <class Element>
FBL_DEVICE void write_gradient(const RowPart<Element>& part, const GradientFactors& factors,
                               const GradientRow<Element>& gradient, int cluster_size) {
  const int rank = cluster_size > 1 ? cluster_rank() : 0;
  if (factors.kind == kFaulty || (factors.kind == kZero && !gradient.sparse)) {
    if (!gradient.sparse) fill_row(gradient, factors.kind == kFaulty ? not_a_number() : 0, rank, cluster_size);
    return;
  }
  GradientSweep<Element> sweep(part.view, part.slice, part.capping, factors, part.kept, gradient);
  if (part.view.tokens != nullptr && !gradient.sparse) {
    if (part.kept != nullptr) {
      fill_row(gradient, 0, rank, cluster_size);
      row_barrier(cluster_size); // before the listed tokens get what is theirs
    } else {
      sweep.fill_gaps();
    }
  }
  sweep.run();
}

// What the row's first thread knows at the end of the sweep.
struct SweptRow {
  RowFindings findings;
  Threshold threshold;
  bool poisoned;
};

// Sweeps a row that is counted and sound. All threads of the row call.
template <class Element>
FBL_DEVICE SweptRow sweep_row(const RowPart<Element>& part, const RowLaunch& launch) {
  const RowView<Element>& view = part.view;
  const LossProblem& problem = launch.call.problem;
  const int cluster_size = launch.cluster_size;
  const std::int64_t beam_width = problem.pruning_statistics ? problem.beam_width : 1;
  const int width = static_cast<int>(min(static_cast<long>(beam_width), static_cast<long>(view.count)));
  BlockState& state = block_state();
  if (threadIdx.x == 0) {
    state.target_position = -1;
    state.target_logit = 0;
  }
  // Two at least, which tells a row with a single allowed token from others.
  TopQueue queue(width <= kMaxQueueWidth ? max(width, 2) : 0);
  __syncthreads();
  const float ranked_logit =
      launch.call.outputs.rank == nullptr ? infinity() : Packing<Element>::to_number(view.logits[view.target]);
  RowSweep<Element> sweep(view, part.slice, part.capping, queue, problem.label_smoothing > 0, ranked_logit, part.kept);
  sweep.run(kQueueCapacity / cluster_size);
  sweep.reduce();
  row_barrier(cluster_size);

  SweptRow swept = {};
  swept.findings = collect_partials(cluster_size);
  const SlicePartial& total = swept.findings.total;
  const float largest = fmaxf(total.max_others, total.target_logit);
  swept.poisoned = swept.findings.has_nan || total.target_logit != total.target_logit || largest == infinity() ||
                   largest == -infinity();
  if (swept.poisoned) return swept;
  const RowSource<Element> source = {view, part.slice, part.kept};
  swept.threshold = find_threshold(source, swept.findings, width, cluster_size);
  if (problem.threshold_gradient == ThresholdGradient::kFlow && problem.gradient != GradientMode::kNone) {
    swept.threshold.position = find_threshold_position(source, swept.threshold, cluster_size);
  }
  return swept;
}

// The row's outputs, and the factors of its gradient in the first block's state: one thread's work.
FBL_DEVICE void conclude(const RowLaunch& launch, std::int64_t row, unsigned flags, const SweptRow& swept) {
  const LossProblem& problem = launch.call.problem;
  const CappedLogits capping(launch.scaling);
  const SlicePartial& total = swept.findings.total;
  RowRecord record;
  if (!swept.poisoned && (flags & kRowFaulty) == 0 && (flags & kRowCounted) != 0) {
    RowSums sums;
    sums.target_logit = total.target_logit;
    sums.reference_logit = total.max_others == -infinity() ? total.target_logit : total.max_others;
    sums.sum_others = sum_of_others(swept.findings, capping, launch.cluster_size);
    sums.threshold_logit = swept.threshold.logit;
    sums.effective_width = swept.threshold.effective_width;
    sums.allowed_count = total.allowed;
    sums.sum_differences =
        (total.sum_scaled - sums.allowed_count * static_cast<double>(capping.capped(sums.reference_logit))) /
        problem.temperature;
    record = conclude_row(launch.call, row, sums, capping, total, swept.threshold, flags);
  } else {
    if (swept.poisoned || (flags & kRowFaulty) != 0) flags |= kRowPoisoned | kRowNonFinite;
    const bool all_masked = swept.poisoned && !swept.findings.has_nan && total.max_others == -infinity() &&
                            total.target_logit == -infinity();
    record = conclude_special_row(launch.call, row, flags, all_masked);
  }
  launch.workspace.records[row] = record;
  launch.workspace.flags[row] = static_cast<std::uint8_t>(flags);
  if (launch.write_gradient) {
    block_state().factors = gradient_factors(problem, *launch.workspace.summary, row, record, flags);
  }
}

// Sweep, statistics and, where asked, the gradient of a row.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    row_kernel(const __grid_constant__ RowLaunch launch) {
  const int cluster_size = launch.cluster_size;
  const int rank = cluster_size > 1 ? cluster_rank() : 0;
  const std::int64_t row = launch.first_row + blockIdx.x / static_cast<unsigned>(cluster_size);
  const unsigned flags = launch.workspace.flags[row];
  const bool sound = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;

  SweptRow swept = {};
  if (sound) swept = sweep_row(RowPart<Element>(launch, row, flags, rank), launch);
  row_barrier(cluster_size); // everyone has read the row's flags
  if (rank == 0 && threadIdx.x == 0) conclude(launch, row, flags, swept);
  row_barrier(cluster_size);
  if (launch.write_gradient) {
    const GradientFactors factors = peer_shared(&block_state(), 0)->factors;
    const std::int64_t same_row = forgotten(row); // a row's concluding needs all registers
    const RowPart<Element> part(launch, same_row, flags, rank);
    write_gradient(part, factors, gradient_row_of<Element>(launch, same_row), cluster_size);
  }
  if (cluster_size > 1) FBL_CLUSTER_BARRIER(); // no block ends while another reads its memory
}

// The gradient of rows whose records are in the workspace.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    gradient_kernel(const __grid_constant__ RowLaunch launch) {
  const LossProblem& problem = launch.call.problem;
  const std::int64_t row = launch.first_row + blockIdx.x;
  const std::uint8_t flags = launch.workspace.flags[row];
  BlockState& state = block_state();
  if (threadIdx.x == 0) {
    state.factors = gradient_factors(problem, *launch.workspace.summary, row, launch.workspace.records[row], flags);
  }
  __syncthreads();
  const GradientFactors factors = state.factors;
  const RowPart<Element> part(launch, row, flags, 0);
  write_gradient(part, factors, gradient_row_of<Element>(launch, row), 1);
}

using RowKernelPointer = void (*)(RowLaunch);

template <class Element>
std::array<const void*, 2> row_kernels() {
  const RowKernelPointer row = row_kernel<Element>;
  const RowKernelPointer gradient = gradient_kernel<Element>;
  return {reinterpret_cast<const void*>(row), reinterpret_cast<const void*>(gradient)};
}

template <class Element>
cudaError_t launch_row_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, row_kernel<Element>, launch);
}

template <class Element>
cudaError_t launch_gradient_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, gradient_kernel<Element>, launch);
}

} // namespace fused_bear_loss::cuda
