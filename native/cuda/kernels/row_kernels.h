// The kernels that read logits: one row to a block, or to a cluster of blocks. Included by one file per dtype, so that
// they are compiled side by side.
#pragma once

#include "native/cuda/kernels/gradient_sweep.h"
#include "native/cuda/kernels/plain_gradient.h"
#include "native/cuda/kernels/plain_sweep.h"
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

// Which of a row's slices a block works on.
struct SliceRange {
  int first;
  int count;
};

FBL_DEVICE SliceRange slices_of_block(const RowLaunch& launch) {
  return launch.cluster_size > 1 ? SliceRange{cluster_rank(), 1} : SliceRange{0, launch.slices};
}

// A block's part of a row.
template <class Element>
struct RowPart {
  RowView<Element> view;
  Slice slice; // all of the block's
  CappedLogits capping;
  uint4* kept; // null: the slice is not kept; the same for all blocks of the row

  FBL_DEVICE RowPart(const RowLaunch& launch, std::int64_t row, unsigned flags)
      : view(view_of<Element>(launch, row, flags)),
        slice(launch.cluster_size > 1 ? slice_of(view.vectors(), cluster_rank(), launch.cluster_size)
                                      : Slice{0, view.vectors()}),
        capping(launch.scaling) {
    const bool swept = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;
    const int share = slice_of(view.vectors(), 0, launch.cluster_size).end;
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

// Before the first barrier of a row's sweep. Two at least, which tells a row with a single allowed token from others.
FBL_DEVICE TopQueue begin_sweep(const LossProblem& problem, int allowed, int logits_of_block) {
  if (threadIdx.x == 0) {
    block_state().findings.target_position = -1;
    block_state().findings.target_logit = 0;
  }
  const int width = queue_width(problem, allowed);
  return TopQueue(width <= kMaxQueueWidth ? max(width, 2) : 0, logits_of_block > kQueueCapacity);
}

// After the sweep of a block's slices: what all blocks of the row found, and the threshold. All threads of the row call;
// BlockState::swept is the block's first thread's. With kFlow, the threshold's place in the row as well.
template <class Element, bool kFlow>
FBL_DEVICE void finish_sweep(const RowLaunch& launch, const RowSource<Element>& source, TopQueue& queue,
                                 bool with_all) {
  const LossProblem& problem = launch.call.problem;
  BlockState& state = block_state();
  queue.finish(kQueueCapacity / launch.cluster_size);
  __syncthreads(); // the warps' sums are there
  combine_warps(slices_of_block(launch).count, CappedLogits(launch.scaling), with_all);
  if (threadIdx.x == 0) {
    state.findings.bound = queue.bound();
    state.findings.queued = state.queued;
  }
  row_barrier(launch.cluster_size);

  const RowFindings findings = collect_findings(launch.slices, launch.cluster_size);
  const float target_logit = findings.all.target_logit;
  const float largest = fmaxf(findings.total.max_others, target_logit);
  const bool poisoned =
      findings.has_nan || target_logit != target_logit || largest == infinity() || largest == -infinity();
  Threshold threshold = {};
  if (!poisoned) {
    const int width = queue_width(problem, source.view.count);
    threshold = find_threshold(source, findings, width, launch.cluster_size);
    if (kFlow && problem.threshold_gradient == ThresholdGradient::kFlow && problem.gradient != GradientMode::kNone) {
      threshold.position = find_threshold_position(source, threshold, launch.cluster_size);
    }
  }
  if (threadIdx.x == 0) state.swept = {findings, threshold, poisoned};
}

// Sweeps a row that is counted and sound. All threads of the row call.
template <class Element>
FBL_DEVICE void sweep_row(const RowPart<Element>& part, const RowLaunch& launch) {
  const RowView<Element>& view = part.view;
  const LossProblem& problem = launch.call.problem;
  const bool smoothing = problem.label_smoothing > 0;
  const bool ranked = launch.call.outputs.rank != nullptr;
  TopQueue queue = begin_sweep(problem, view.count, (part.slice.end - part.slice.begin) * Packing<Element>::kLength);
  __syncthreads();
  const float ranked_logit = ranked ? Packing<Element>::to_number(view.logits[view.target]) : infinity();
  RowSweep<Element> sweep(view, part.capping, queue, smoothing, ranked_logit, part.kept, part.slice.begin);
  const SliceRange slices = slices_of_block(launch);
#pragma unroll 1
  for (int i = 0; i < slices.count; ++i) {
    sweep.sweep(slice_of(view.vectors(), slices.first + i, launch.slices), i);
  }
  const RowSource<Element> source = {view, part.slice, part.kept};
  finish_sweep<Element, true>(launch, source, queue, smoothing || ranked);
}

// The row's outputs, by its first block, and the factors of its gradient in the state of each: one thread's work.
// A function of its own: it takes more registers than the sweeps, and is the same for all of them.
FBL_DEVICE_CALLED void conclude(const RowLaunch& launch, std::int64_t row, unsigned flags) {
  const DeviceProblem& call = launch.call;
  const LossProblem& problem = call.problem;
  const SweptRow& swept = block_state().swept;
  const CappedLogits capping(launch.scaling);
  const SliceSums& total = swept.findings.total; // of a row that was swept
  const bool writes = launch.cluster_size == 1 || cluster_rank() == 0;
  RowRecord record;
  const bool sound = (flags & kRowFaulty) == 0 && (flags & kRowCounted) != 0;
  const bool poisoned = sound && swept.poisoned;
  if (sound && !poisoned) {
    const float target_logit = swept.findings.all.target_logit;
    RowSums sums;
    sums.target_logit = target_logit;
    sums.reference_logit = total.max_others == -infinity() ? target_logit : total.max_others;
    sums.sum_others = sum_of_others(swept.findings, capping, launch.slices, launch.cluster_size);
    sums.threshold_logit = swept.threshold.logit;
    sums.effective_width = swept.threshold.effective_width;
    sums.allowed_count = total.allowed;
    sums.sum_scaled = total.sum_scaled / problem.temperature;
    record = conclude_row(call, row, sums, capping, swept.findings, swept.threshold, writes, flags);
  } else {
    if (poisoned || (flags & kRowFaulty) != 0) flags |= kRowPoisoned | kRowNonFinite;
    const bool all_masked = poisoned && !swept.findings.has_nan && total.max_others == -infinity() &&
                            swept.findings.all.target_logit == -infinity();
    record = conclude_special_row(call, row, flags, all_masked, writes);
  }
  if (writes) {
    launch.workspace.records[row] = record;
    launch.workspace.flags[row] = static_cast<std::uint8_t>(flags);
  }
  if (launch.write_gradient) {
    block_state().factors =
        gradient_factors(problem, *launch.workspace.summary, launch.scaling.scale, row, record, flags);
  }
}

FBL_DEVICE std::int64_t row_of_block(const RowLaunch& launch) {
  return launch.first_row + (launch.cluster_size == 1 ? blockIdx.x : blockIdx.x / static_cast<unsigned>(launch.cluster_size));
}

// Sweep, statistics and, where asked, the gradient of a row with any options.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    row_kernel(const __grid_constant__ RowLaunch launch) {
  const int cluster_size = launch.cluster_size;
  const std::int64_t row = row_of_block(launch);
  const unsigned flags = launch.workspace.flags[row];
  const bool sound = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;

  if (sound) sweep_row(RowPart<Element>(launch, row, flags), launch);
  row_barrier(cluster_size); // everyone has read the row's flags
  if (threadIdx.x == 0) conclude(launch, row, flags);
  __syncthreads();
  if (cluster_size > 1) FBL_CLUSTER_LEAVE();
  if (launch.write_gradient) {
    const std::int64_t same_row = forgotten(row); // a row's concluding needs all registers
    const RowPart<Element> part(launch, same_row, flags);
    write_gradient(part, block_state().factors, gradient_row_of<Element>(launch, same_row), cluster_size);
  }
  if (cluster_size > 1) FBL_CLUSTER_WAIT(); // no block ends while another reads its memory
}

template <class Element>
FBL_DEVICE PlainRow<Element> plain_row_of(const RowLaunch& launch, std::int64_t row) {
  using Bits = typename Packing<Element>::Bits;
  const LossProblem& problem = launch.call.problem;
  const std::int64_t in_chunk = row - launch.chunk_row;
  PlainRow<Element> plain;
  plain.logits = static_cast<const Bits*>(problem.logits) + in_chunk * problem.row_stride;
  plain.gradient = static_cast<Bits*>(launch.call.outputs.grad_logits) +
                   (launch.write_gradient ? in_chunk * launch.call.outputs.grad_row_stride : 0);
  plain.count = static_cast<std::int32_t>(problem.vocab_size);
  plain.target = problem.targets[row];
  plain.kept = kept_row();
  plain.first = 0;
  return plain;
}

// How a launch's plain rows move. Of wide ones, whether they are kept is known when the code is made.
enum class Move { kWide, kWideKept, kNarrow };

template <class Element, Move kMove>
struct MovingRow;
template <class Element>
struct MovingRow<Element, Move::kWide> {
  using Tiles = WideTiles<Element, false>;
  static FBL_DEVICE bool is_kept(const RowLaunch& /*launch*/) { return false; }
  static FBL_DEVICE Tiles tiles(const PlainRow<Element>& row, Slice slice, bool /*kept*/) { return Tiles(row, slice); }
};
template <class Element>
struct MovingRow<Element, Move::kWideKept> {
  using Tiles = WideTiles<Element, true>;
  static FBL_DEVICE bool is_kept(const RowLaunch& /*launch*/) { return true; }
  static FBL_DEVICE Tiles tiles(const PlainRow<Element>& row, Slice slice, bool /*kept*/) { return Tiles(row, slice); }
};
template <class Element>
struct MovingRow<Element, Move::kNarrow> {
  using Tiles = NarrowTiles<Element>;
  static FBL_DEVICE bool is_kept(const RowLaunch& launch) { return launch.keeps_plain_row; }
  static FBL_DEVICE Tiles tiles(const PlainRow<Element>& row, Slice slice, bool kept) {
    return Tiles(row, slice, kept);
  }
};

// The same of a row without options: see plain_sweep.h.
template <class Element, Move kMove>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    plain_kernel(const __grid_constant__ RowLaunch launch) {
  using Moving = MovingRow<Element, kMove>;
  using Tiles = typename Moving::Tiles;
  constexpr int kLength = Packing<Element>::kLength;
  const int cluster_size = launch.cluster_size;
  const std::int64_t row = row_of_block(launch);
  const unsigned flags = launch.workspace.flags[row];
  const bool sound = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;
  PlainRow<Element> plain = plain_row_of<Element>(launch, row);
  const int vectors = (plain.count + kLength - 1) / kLength;
  const SliceRange slices = slices_of_block(launch);
  const bool kept = Moving::is_kept(launch);
  const Slice all = cluster_size > 1 ? slice_of(vectors, slices.first, cluster_size) : Slice{0, vectors};
  plain.first = all.begin;

  if (sound) {
    TopQueue queue = begin_sweep(launch.call.problem, plain.count, (all.end - all.begin) * kLength);
    __syncthreads();
    const CappedLogits capping(launch.scaling);
    PlainSweep<Element, Tiles> sweep(plain, capping, queue);
#pragma unroll 1
    for (int i = 0; i < slices.count; ++i) {
      const Slice slice = slice_of(vectors, slices.first + i, launch.slices);
      sweep.sweep(Moving::tiles(plain, slice, kept), slice, i);
    }
    const RowPart<Element> part(launch, row, flags);
    const RowSource<Element> source = {part.view, all, kept ? plain.kept : nullptr};
    finish_sweep<Element, false>(launch, source, queue, false);
  }
  row_barrier(cluster_size); // everyone has read the row's flags
  if (threadIdx.x == 0) conclude(launch, row, flags);
  __syncthreads();
  if (cluster_size > 1) FBL_CLUSTER_LEAVE();
  if (launch.write_gradient) {
    const GradientFactors& factors = block_state().factors;
    if (factors.kind == kFaulty || factors.kind == kZero) {
      const int rank = cluster_size > 1 ? cluster_rank() : 0;
      fill_row(gradient_row_of<Element>(launch, row), factors.kind == kFaulty ? not_a_number() : 0, rank, cluster_size);
    } else {
      const PlainGradient<Element, Tiles> gradient(plain, launch.scaling.scale, factors);
      gradient.run(Moving::tiles(plain, all, kept), all, kept);
    }
  }
  if (cluster_size > 1) FBL_CLUSTER_WAIT(); // no block ends while another reads its memory
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
    state.factors = gradient_factors(problem, *launch.workspace.summary, launch.scaling.scale, row,
                                     launch.workspace.records[row], flags);
  }
  __syncthreads();
  const RowPart<Element> part(launch, row, flags);
  write_gradient(part, state.factors, gradient_row_of<Element>(launch, row), 1);
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
cudaError_t launch_plain_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  if (launch.is_narrow) return launch_kernel(plain_kernel<Element, Move::kNarrow>, config, launch);
  if (launch.keeps_plain_row) return launch_kernel(plain_kernel<Element, Move::kWideKept>, config, launch);
  return launch_kernel(plain_kernel<Element, Move::kWide>, config, launch);
}

template <class Element>
cudaError_t launch_gradient_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, gradient_kernel<Element>, launch);
}

} // namespace fused_bear_loss::cuda
