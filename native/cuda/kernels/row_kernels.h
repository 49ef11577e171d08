// The kernels that read logits: one row to a block, or to a cluster of blocks. Included by one file per dtype, so that
// they are compiled side by side.
#pragma once

#include <type_traits>

#include "native/cuda/kernels/gradient_sweep.h"
#include "native/cuda/kernels/plain_gradient.h"
#include "native/cuda/kernels/plain_sweep.h"
#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/row_outcome.h"
#include "native/cuda/kernels/row_sweep.h"
#include "native/cuda/kernels/threshold.h"

namespace fused_bear_loss::cuda {

template <class Element>
FBL_DEVICE RowView<Element> view_of(const RowLaunch& launch, std::int64_t row) {
  const LossProblem& problem = launch.call.problem;
  RowView<Element> view = {};
  view.logits = static_cast<const typename Packing<Element>::Bits*>(problem.logits) +
                (row - launch.chunk_row) * problem.row_stride;
  const RowInput input = launch.workspace.inputs[row];
  view.target = input.target;
  view.count = static_cast<std::int32_t>(problem.vocab_size);
  view.wide = is_aligned16(view.logits) && problem.allowed_offsets == nullptr;
  view.last_token = view.count - 1;
  if (problem.allowed_offsets != nullptr) {
    view.tokens = problem.allowed_tokens + input.list_begin;
    view.count = input.list_count;
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
      : view(view_of<Element>(launch, row)),
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

// After the sweep of a block's slices: what all blocks of the row found, and the threshold. All threads of the row
// call; BlockState::swept is the block's first thread's. With kFlow, the threshold's place in the row as well.
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

FBL_DEVICE std::int64_t row_of_block(const RowLaunch& launch) {
  return launch.first_row +
         (launch.cluster_size == 1 ? blockIdx.x : blockIdx.x / static_cast<unsigned>(launch.cluster_size));
}

// The same, computed anew at each call: between two, no register holds the row, nor what follows from it.
FBL_DEVICE std::int64_t row_of_block_anew(const RowLaunch& launch) { return forgotten(row_of_block(launch)); }

// Blocks whose registers a multiprocessor has: fewer than planned for where ptxas would have to spill some. Where it
// would for several kernels of an architecture, all are compiled alike: what they share is then compressed well.
template <class Element>
constexpr int blocks_without_spills([[maybe_unused]] bool is_plain, [[maybe_unused]] bool is_wide) {
#if defined(__CUDA_ARCH__)
  const bool is_float = sizeof(typename Packing<Element>::Bits) == 4;
  const bool spills = __CUDA_ARCH__ == 750 || __CUDA_ARCH__ == 1200 ||
                      (__CUDA_ARCH__ == 1000 && (is_float ? is_plain && is_wide : !is_plain));
  return spills ? kBlocksPerMultiprocessor - 1 : kBlocksPerMultiprocessor;
#else
  return kBlocksPerMultiprocessor;
#endif
}

// Sweep, statistics and, where asked, the gradient of a row with any options.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, blocks_without_spills<Element>(false, false))
    row_kernel(const __grid_constant__ RowLaunch launch) {
  const int cluster_size = launch.cluster_size;
  const unsigned flags = launch.workspace.flags[row_of_block_anew(launch)];
  const bool sound = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;

  if (sound) sweep_row(RowPart<Element>(launch, row_of_block_anew(launch), flags), launch);
  row_barrier(cluster_size); // everyone has read the row's flags
  if (threadIdx.x == 0) conclude(launch, row_of_block_anew(launch), flags);
  __syncthreads();
  if (launch.write_gradient) {
    const std::int64_t row = row_of_block_anew(launch);
    const RowPart<Element> part(launch, row, flags);
    write_gradient(part, block_state().factors, gradient_row_of<Element>(launch, row), cluster_size);
  }
  // No block ends while another reads its memory. A whole barrier: writing a listed row's gradient has one of its own,
  // which may not lie between the halves of another.
  if (cluster_size > 1) FBL_CLUSTER_BARRIER();
}

// A block's part of a plain row.
template <class Element>
struct PlainPart {
  PlainRow<Element> row;
  Slice slice; // all of the block's
  bool kept;

  FBL_DEVICE PlainPart(const RowLaunch& launch, std::int64_t index) : kept(launch.keeps_plain_row) {
    using Bits = typename Packing<Element>::Bits;
    const LossProblem& problem = launch.call.problem;
    const LossOutputs& outputs = launch.call.outputs;
    const std::int64_t in_chunk = index - launch.chunk_row;
    row.logits = static_cast<const Bits*>(problem.logits) + in_chunk * problem.row_stride;
    row.gradient =
        launch.write_gradient ? static_cast<Bits*>(outputs.grad_logits) + in_chunk * outputs.grad_row_stride : nullptr;
    row.count = static_cast<std::int32_t>(problem.vocab_size);
    row.target = launch.workspace.inputs[index].target;
    row.kept = kept_row();
    slice = launch.cluster_size > 1 ? slice_of(vectors(), cluster_rank(), launch.cluster_size) : Slice{0, vectors()};
    row.first = slice.begin;
  }

  FBL_DEVICE int vectors() const { return (row.count + Packing<Element>::kLength - 1) / Packing<Element>::kLength; }
};

template <class Element, template <class> class Tiles>
FBL_DEVICE void sweep_plain_row(const PlainPart<Element>& part, const RowLaunch& launch) {
  const CappedLogits capping(launch.scaling);
  const int logits = (part.slice.end - part.slice.begin) * Packing<Element>::kLength;
  TopQueue queue = begin_sweep(launch.call.problem, part.row.count, logits);
  __syncthreads();
  PlainSweep<Element, Tiles<Element>> sweep(part.row, capping, queue);
  const SliceRange slices = slices_of_block(launch);
#pragma unroll 1
  for (int i = 0; i < slices.count; ++i) {
    const Slice slice = slice_of(part.vectors(), slices.first + i, launch.slices);
    sweep.sweep(Tiles<Element>(part.row, slice, part.kept), slice, i);
  }
  RowView<Element> view = {};
  view.logits = part.row.logits;
  view.count = part.row.count;
  view.target = part.row.target;
  view.last_token = view.count - 1;
  view.wide = is_aligned16(view.logits);
  const RowSource<Element> source = {view, part.slice, part.kept ? part.row.kept : nullptr};
  finish_sweep<Element, false>(launch, source, queue, false);
}

template <class Element, template <class> class Tiles>
FBL_DEVICE void write_plain_gradient(const PlainPart<Element>& part, const RowLaunch& launch, std::int64_t row) {
  const GradientFactors& factors = block_state().factors;
  if (factors.kind == kFaulty || factors.kind == kZero) {
    const int rank = launch.cluster_size > 1 ? cluster_rank() : 0;
    const float value = factors.kind == kFaulty ? not_a_number() : 0;
    fill_row(gradient_row_of<Element>(launch, row), value, rank, launch.cluster_size);
    return;
  }
  const PlainGradient<Element, Tiles<Element>> gradient(part.row, launch.scaling.scale, factors);
  gradient.run(Tiles<Element>(part.row, part.slice, part.kept), part.slice, part.kept);
}

template <class Element, template <class> class Tiles>
constexpr bool kIsWide = std::is_same<Tiles<Element>, WideTiles<Element>>::value;

// What row_kernel does, for rows without options: see is_plain().
template <class Element, template <class> class Tiles>
__global__ void __launch_bounds__(kMaxThreads, blocks_without_spills<Element>(true, kIsWide<Element, Tiles>))
    plain_kernel(const __grid_constant__ RowLaunch launch) {
  const std::int64_t row = row_of_block(launch);
  const unsigned flags = launch.workspace.flags[row];
  const bool sound = (flags & kRowCounted) != 0 && (flags & kRowFaulty) == 0;
  if (sound) sweep_plain_row<Element, Tiles>(PlainPart<Element>(launch, row), launch);
  row_barrier(launch.cluster_size); // everyone has read the row's flags
  if (threadIdx.x == 0) conclude(launch, row, flags);
  __syncthreads();
  if (launch.cluster_size > 1) FBL_CLUSTER_LEAVE();
  if (launch.write_gradient) {
    const std::int64_t same_row = forgotten(row);
    write_plain_gradient<Element, Tiles>(PlainPart<Element>(launch, same_row), launch, same_row);
  }
  if (launch.cluster_size > 1) FBL_CLUSTER_WAIT(); // no block ends while another reads its memory
}

// The gradient of rows whose records are in the workspace.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    gradient_kernel(const __grid_constant__ RowLaunch launch) {
  const std::int64_t row = launch.first_row + blockIdx.x;
  const std::uint8_t flags = launch.workspace.flags[row];
  BlockState& state = block_state();
  if (threadIdx.x == 0) {
    state.record = launch.workspace.records[row];
    make_factors(launch, row, flags);
  }
  __syncthreads();
  const RowPart<Element> part(launch, row, flags);
  write_gradient(part, state.factors, gradient_row_of<Element>(launch, row), 1);
}

using RowKernelPointer = void (*)(RowLaunch);

template <class Element>
std::array<const void*, kRowKernels> row_kernels() {
  const auto pointer = [](RowKernelPointer kernel) { return reinterpret_cast<const void*>(kernel); };
  return {pointer(row_kernel<Element>), pointer(gradient_kernel<Element>), pointer(plain_kernel<Element, WideTiles>),
          pointer(plain_kernel<Element, NarrowTiles>)};
}

template <class Element>
cudaError_t launch_row_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, row_kernel<Element>, launch);
}

template <class Element>
cudaError_t launch_plain_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  const RowKernelPointer kernel =
      launch.is_narrow ? plain_kernel<Element, NarrowTiles> : plain_kernel<Element, WideTiles>;
  return cudaLaunchKernelEx(&config, kernel, launch);
}

template <class Element>
cudaError_t launch_gradient_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, gradient_kernel<Element>, launch);
}

} // namespace fused_bear_loss::cuda
