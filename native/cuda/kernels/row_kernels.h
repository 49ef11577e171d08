// The kernels that read logits: one row to a block. Included by one file per dtype, so that they are compiled side by
// side.
#pragma once

#include <climits>
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
  const RowInput& input = launch.workspace.inputs[row];
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

// A row as a block sees it.
template <class Element>
struct BlockRow {
  RowView<Element> view;
  CappedLogits capping;
  uint4* kept; // null: the row is not kept

  FBL_DEVICE BlockRow(const RowLaunch& launch, std::int64_t row, unsigned flags)
      : view(view_of<Element>(launch, row)), capping(launch.scaling) {
    kept = is_sound(flags) && view.vectors() <= launch.row_capacity ? kept_row() : nullptr;
  }
};

// All threads of the block call.
template <class Element>
FBL_DEVICE void write_gradient(const BlockRow<Element>& row, const GradientFactors& factors,
                               const GradientRow<Element>& gradient) {
  if (factors.kind == kFaulty || (factors.kind == kZero && !gradient.sparse)) {
    if (!gradient.sparse) fill_row(gradient, factors.kind == kFaulty ? not_a_number() : 0);
    return;
  }
  GradientSweep<Element> sweep(row.view, row.capping, factors, row.kept, gradient);
  if (row.view.tokens != nullptr && !gradient.sparse) {
    if (row.kept != nullptr) {
      fill_row(gradient, 0);
      __syncthreads(); // before the listed tokens get what is theirs
    } else {
      sweep.fill_gaps();
    }
  }
  sweep.run();
}

// Before the first barrier of a row's sweep.
FBL_DEVICE void begin_sweep() {
  if (threadIdx.x != 0) return;
  BlockState& state = block_state();
  state.target = {0, -1};
  state.queued = 0;
}

// Two at least, which tells a row with a single allowed token from others. More than a queue is for: none.
FBL_DEVICE TopQueue queue_for(const LossProblem& problem, int allowed, bool may_overflow) {
  const int width = queue_width(problem, allowed);
  return TopQueue(width <= kMaxQueueWidth ? max(width, 2) : 0, may_overflow);
}

// Whether a swept row is NaN in all that is made of it; by its sums and its target.
FBL_DEVICE bool is_poisoned(const SweepSums& sums, float target_logit) {
  const float largest = fmaxf(sums.max_others, target_logit);
  return sums.sum_others != sums.sum_others || target_logit != target_logit || largest == infinity() ||
         largest == -infinity();
}

// After the sweep and a barrier: the row's sums and its threshold. All threads of the block call; BlockState::swept is
// its first thread's. With kFlow, the threshold's place in the row as well.
template <class Element, bool kFlow>
FBL_DEVICE void finish_sweep(const RowLaunch& launch, const RowSource<Element>& source, float bound, bool with_all) {
  const LossProblem& problem = launch.call.problem;
  BlockState& state = block_state();
  if (warp_index() == 0) combine_warps(CappedLogits(launch.scaling), with_all);
  __syncthreads();
  const float target_logit = state.target.logit;
  const bool poisoned = is_poisoned(state.sums, target_logit);
  Threshold threshold = {};
  if (!poisoned) {
    const int width = queue_width(problem, source.view.count);
    threshold = find_threshold(source, bound, fmaxf(state.sums.max_others, target_logit), width);
    if (kFlow && problem.threshold_gradient == ThresholdGradient::kFlow && problem.gradient != GradientMode::kNone) {
      threshold.position = find_threshold_position(source, threshold);
    }
  }
  if (threadIdx.x == 0) state.swept = {threshold, poisoned};
}

// The same by one warp, where few logits are in the queue.
FBL_DEVICE void finish_by_warp(const RowLaunch& launch, float bound, int width) {
  BlockState& state = block_state();
  combine_warps(CappedLogits(launch.scaling), false);
  const bool poisoned = is_poisoned(state.sums, state.target.logit);
  const int queued = state.queued;
  Threshold threshold = threshold_at_bound(bound, width, queued);
  if (queued >= threshold.effective_width && !poisoned) {
    const std::uint32_t key = select_by_warp(state.queue, queued, threshold.effective_width);
    threshold.logit = fmaxf(bound, from_ordered_key(key));
  }
  if (lane_index() == 0) state.swept = {threshold, poisoned};
}

// Sweeps a row that is counted and sound. All threads of the block call.
template <class Element>
FBL_DEVICE void sweep_row(const BlockRow<Element>& row, const RowLaunch& launch) {
  const RowView<Element>& view = row.view;
  const LossProblem& problem = launch.call.problem;
  const bool smoothing = problem.label_smoothing > 0;
  const bool ranked = launch.call.outputs.rank != nullptr;
  begin_sweep();
  TopQueue queue = queue_for(problem, view.count, view.vectors() * Packing<Element>::kLength > kQueueCapacity);
  __syncthreads();
  const float ranked_logit = ranked ? Packing<Element>::to_number(view.logits[view.target]) : infinity();
  RowSweep<Element>(view, row.capping, queue, smoothing, ranked_logit, row.kept).sweep();
  __syncthreads();
  const RowSource<Element> source = {view, row.kept, row.kept != nullptr ? view.vectors() : 0};
  finish_sweep<Element, true>(launch, source, queue.bound(), smoothing || ranked);
}

FBL_DEVICE std::int64_t row_of_block(const RowLaunch& launch) { return launch.first_row + blockIdx.x; }

// The same, computed anew at each call: between two, no register holds the row, nor what follows from it.
FBL_DEVICE std::int64_t row_of_block_anew(const RowLaunch& launch) { return forgotten(row_of_block(launch)); }

// Sweep, statistics and, where asked, the gradient of a row with any options.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    row_kernel(const __grid_constant__ RowLaunch launch) {
  wait_for_last_kernel();
  const unsigned flags = launch.workspace.flags[row_of_block_anew(launch)];
  if (is_sound(flags)) sweep_row(BlockRow<Element>(launch, row_of_block_anew(launch), flags), launch);
  __syncthreads(); // everyone has read the row's flags
  if (threadIdx.x == 0) conclude(launch, row_of_block_anew(launch), flags);
  if (!launch.write_gradient) return;
  __syncthreads();
  const std::int64_t row = row_of_block_anew(launch);
  write_gradient(BlockRow<Element>(launch, row, flags), block_state().factors, gradient_row_of<Element>(launch, row));
}

template <class Element>
FBL_DEVICE PlainRow<Element> plain_row_of(const RowLaunch& launch, std::int64_t index, std::int32_t target) {
  using Bits = typename Packing<Element>::Bits;
  const LossProblem& problem = launch.call.problem;
  const LossOutputs& outputs = launch.call.outputs;
  const std::int64_t in_chunk = index - launch.chunk_row;
  PlainRow<Element> row;
  row.logits = static_cast<const Bits*>(problem.logits) + in_chunk * problem.row_stride;
  row.gradient =
      launch.write_gradient ? static_cast<Bits*>(outputs.grad_logits) + in_chunk * outputs.grad_row_stride : nullptr;
  row.count = static_cast<std::int32_t>(problem.vocab_size);
  row.target = target;
  row.kept = kept_row();
  return row;
}

// Sweeps a plain row that is counted and sound. All threads of the block call; what it leaves in BlockState is the
// first thread's to read.
template <class Element, class Tiles>
FBL_DEVICE void sweep_plain_row(const PlainRow<Element>& begun, Tiles& tiles, const RowLaunch& launch,
                                std::int64_t index, int kept_vectors, int last_end) {
  begin_sweep();
  if (threadIdx.x == 0) block_state().target_token = begun.target;
  __syncthreads();
  GroupMaxima maxima(tiles_of(begun.vectors()));
  const CappedLogits capping(launch.scaling);
  const float largest = PlainSweep<Element, Tiles>(begun, capping, maxima, last_end).sweep(tiles);

  // From here on no register holds what the sweep was told.
  const std::int64_t same = forgotten(index);
  const PlainRow<Element> row = plain_row_of<Element>(launch, same, launch.workspace.inputs[same].target);
  TopQueue queue = queue_for(launch.call.problem, row.count, row.count > kQueueCapacity);
  const int width = queue_width(launch.call.problem, row.count);
  if (has_bound_by_lanes(width)) {
    put_lane_maxima(largest);
    __syncthreads();
    queue.start_at(bound_by_lanes(max(width, 2)));
  } else {
    queue.take_bound(largest, row.vectors());
  }
  RowView<Element> view = {};
  view.logits = row.logits;
  view.count = row.count;
  view.target = row.target;
  view.last_token = view.count - 1;
  view.wide = is_aligned16(view.logits);
  const RowSource<Element> source = {view, row.kept, kept_vectors};
  queue_largest(source, largest, queue);
  if (threadIdx.x == 0) queue.put(block_state().target.logit);
  __syncthreads();
  // Of a beam too wide for the queue, nothing is in it.
  if (width > kMaxQueueWidth || block_state().queued > kMaxRankedCount) {
    finish_sweep<Element, false>(launch, source, queue.bound(), false);
  } else if (warp_index() == 0) {
    finish_by_warp(launch, queue.bound(), width);
  }
}

template <class Element, class Tiles>
FBL_DEVICE void write_plain_gradient(const PlainRow<Element>& row, const RowLaunch& launch, std::int64_t index) {
  const GradientFactors& factors = block_state().factors;
  if (factors.kind == kFaulty || factors.kind == kZero) {
    fill_row(gradient_row_of<Element>(launch, index), factors.kind == kFaulty ? not_a_number() : 0);
    return;
  }
  Tiles tiles(row, launch.kept_vectors);
  PlainGradient<Element, Tiles>(row, launch.scaling.scale, factors).run(tiles, launch.kept_vectors);
}

// Blocks whose registers a multiprocessor has: one fewer where ptxas would have to spill some.
template <class Element, template <class> class Tiles, bool kGradient>
constexpr int plain_blocks() {
  const int blocks = kGradient ? kBlocksPerMultiprocessor : kForwardBlocksPerMultiprocessor;
#if defined(__CUDA_ARCH__)
  const bool is_wide = std::is_same<Tiles<Element>, WideTiles<Element>>::value;
  const bool is_half = sizeof(typename Packing<Element>::Bits) == 2;
  const bool is_short_of_registers =
      __CUDA_ARCH__ == 750 || (!kGradient && (__CUDA_ARCH__ == 1000 || __CUDA_ARCH__ == 1200));
  if (is_wide && is_half && is_short_of_registers) return blocks - 1;
#endif
  return blocks;
}

// What row_kernel does, for rows without options: see is_plain(). Where it can write no gradient, it takes fewer
// registers, and a multiprocessor has room for more rows; see RowLaunch::forward_only.
template <class Element, template <class> class Tiles, bool kGradient>
FBL_DEVICE void run_plain_row(const RowLaunch& launch) {
  const int kept_vectors = kGradient ? launch.kept_vectors : 0;
  const bool read_again = kGradient && launch.write_gradient;
  const int last_end = read_again ? kept_vectors : INT_MAX;
  const std::int64_t index = row_of_block(launch);
  PlainRow<Element> row = plain_row_of<Element>(launch, index, 0);
  Tiles<Element> tiles(row, kept_vectors);
  tiles.fetch(0, 0 < last_end); // before it is known what the row is for
  wait_for_last_kernel();
  const RowInput input = launch.workspace.inputs[index];
  row.target = input.target;
  if (is_sound(input.flags)) sweep_plain_row<Element>(row, tiles, launch, index, kept_vectors, last_end);
  if (threadIdx.x == 0) conclude_plain(launch, index, input.flags, read_again);
  if (!read_again) return;
  __syncthreads();
  const std::int64_t same = forgotten(index);
  const PlainRow<Element> written = plain_row_of<Element>(launch, same, launch.workspace.inputs[same].target);
  write_plain_gradient<Element, Tiles<Element>>(written, launch, same);
}

template <class Element, template <class> class Tiles, bool kGradient>
__global__ void __launch_bounds__(kMaxThreads, (plain_blocks<Element, Tiles, kGradient>()))
    plain_kernel(const __grid_constant__ RowLaunch launch) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
  if (!kGradient) return; // never launched there
#endif
  run_plain_row<Element, Tiles, kGradient>(launch);
}

// The gradient of rows whose records are in the workspace.
template <class Element>
__global__ void __launch_bounds__(kMaxThreads, kBlocksPerMultiprocessor)
    gradient_kernel(const __grid_constant__ RowLaunch launch) {
  wait_for_last_kernel();
  const std::int64_t row = row_of_block(launch);
  const std::uint8_t flags = launch.workspace.flags[row];
  if (threadIdx.x == 0) make_factors(launch.call.problem, launch, row, flags, launch.workspace.records[row]);
  __syncthreads();
  write_gradient(BlockRow<Element>(launch, row, flags), block_state().factors, gradient_row_of<Element>(launch, row));
}

using RowKernelPointer = void (*)(RowLaunch);

template <class Element>
std::array<const void*, kRowKernels> row_kernels() {
  const auto pointer = [](RowKernelPointer kernel) { return reinterpret_cast<const void*>(kernel); };
  return {pointer(row_kernel<Element>), pointer(gradient_kernel<Element>),
          pointer(plain_kernel<Element, WideTiles, false>), pointer(plain_kernel<Element, WideTiles, true>),
          pointer(plain_kernel<Element, NarrowTiles, true>)};
}

template <class Element>
cudaError_t launch_row_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, row_kernel<Element>, launch);
}

template <class Element>
cudaError_t launch_plain_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  const RowKernelPointer wide =
      launch.forward_only ? plain_kernel<Element, WideTiles, false> : plain_kernel<Element, WideTiles, true>;
  const RowKernelPointer kernel = launch.is_narrow ? plain_kernel<Element, NarrowTiles, true> : wide;
  return cudaLaunchKernelEx(&config, kernel, launch);
}

template <class Element>
cudaError_t launch_gradient_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch) {
  return cudaLaunchKernelEx(&config, gradient_kernel<Element>, launch);
}

} // namespace fused_bear_loss::cuda
