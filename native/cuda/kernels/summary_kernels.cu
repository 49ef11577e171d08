// The kernels before and after those that read logits: the checks of targets and lists, and the sums over rows.
#include <algorithm>

#include "native/cuda/kernels/row_check.h"
#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/row_outcome.h"

namespace fused_bear_loss::cuda {
namespace {

constexpr int kCheckThreads = 256;
constexpr int kSumThreads = 1024;
// Of a thread of end_kernel: their loads do not wait for one another.
constexpr int kRowsTogether = 4;
constexpr std::int64_t kMaxCheckBlocks = 1 << 16;

// Atomic operations take this type of 64-bit integers.
FBL_DEVICE unsigned long long* counter(void* field) { return static_cast<unsigned long long*>(field); }

// A row without a list or a bitmask takes a thread, any other one a warp.
FBL_SHARED_INLINE int rows_of_check_block(const LossProblem& problem) {
  const bool constrained = problem.allowed_offsets != nullptr || problem.allowed_bitmask != nullptr;
  return constrained ? kCheckThreads / kWarpSize : kCheckThreads;
}

// Returns whether the row is counted.
FBL_DEVICE bool put_row(const Workspace& workspace, std::int64_t row, std::int32_t ignore_index, const ReadRow& read,
                        bool faulty) {
  const bool counted = read.target != ignore_index;
  const unsigned flags = (counted ? unsigned{kRowCounted} : 0u) | (faulty ? unsigned{kRowFaulty} : 0u);
  workspace.inputs[row] =
      faulty ? RowInput{0, 0, 0, flags} : RowInput{counted ? read.target : 0, read.begin, read.end - read.begin, flags};
  workspace.flags[row] = static_cast<std::uint8_t>(flags);
  if (faulty) atomicMax(counter(&workspace.summary->fault_row_complement), ~static_cast<unsigned long long>(row));
  return counted;
}

__global__ void __launch_bounds__(kCheckThreads)
    begin_kernel(const __grid_constant__ DeviceProblem call, const Workspace workspace) {
  allow_next_kernel();
  const LossProblem& problem = call.problem;
  const int rows_of_block = rows_of_check_block(problem);
  const bool by_warps = rows_of_block < kCheckThreads;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * rows_of_block;
  // All threads of a block take as many turns, as they meet at its barrier.
#pragma unroll 1
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * rows_of_block; first < problem.rows;
       first += stride) {
    const std::int64_t row = first + (by_warps ? warp_index() : static_cast<int>(threadIdx.x));
    bool counted = false;
    if (row < problem.rows && by_warps) {
      const ReadRow read = read_row(problem, row);
      const bool faulty = find_row_fault(call, row, read).error != ProblemError::kNone;
      if (lane_index() == 0) counted = put_row(workspace, row, problem.ignore_index, read, faulty);
    } else if (row < problem.rows) {
      const ReadRow read = {problem.targets[row], 0, 0};
      counted = put_row(workspace, row, problem.ignore_index, read, has_target_fault(problem, read.target));
    }
    const int in_block = __syncthreads_count(counted ? 1 : 0);
    if (threadIdx.x == 0) {
      atomicAdd(counter(&workspace.summary->counted_rows), static_cast<unsigned long long>(in_block));
    }
  }
}

// What the rows add up to; in an order that depends on the number of rows only.
struct RowSumsOfAll {
  double loss;
  double weights; // of the weighted mean's divisor
  std::int64_t pruned;
  std::int64_t top_ranked;
  std::int64_t non_finite;
};

// What a row adds to them.
struct RowTerms {
  double loss;
  double weight; // of its penalty
  double token_weight;
  unsigned flags;
};

FBL_DEVICE RowTerms read_terms(const LossProblem& problem, const Workspace& workspace, std::int64_t row) {
  const RowRecord& record = workspace.records[row];
  return {record.loss, record.weight, row_token_weight(problem, row), workspace.flags[row]};
}

FBL_DEVICE void add_row(const LossProblem& problem, const RowTerms& row, RowSumsOfAll& sums) {
  if ((row.flags & (kRowCounted | kRowFaulty)) == 0) return;
  const bool poisoned = (row.flags & kRowPoisoned) != 0;
  const bool several = (row.flags & kRowSeveralAllowed) != 0;
  if (!is_weighted_mean(problem) || several || poisoned) sums.loss += row.token_weight * row.loss;
  if (several && !poisoned) sums.weights += row.token_weight * row.weight;
  sums.pruned += (row.flags & kRowPruned) != 0 ? 1 : 0;
  sums.top_ranked += (row.flags & kRowTopRanked) != 0 ? 1 : 0;
  sums.non_finite += (row.flags & kRowNonFinite) != 0 ? 1 : 0;
}

FBL_DEVICE void add_sums(const RowSumsOfAll& other, RowSumsOfAll& sums) {
  sums.loss += other.loss;
  sums.weights += other.weights;
  sums.pruned += other.pruned;
  sums.top_ranked += other.top_ranked;
  sums.non_finite += other.non_finite;
}

FBL_DEVICE RowSumsOfAll shuffled(const RowSumsOfAll& sums, int distance) {
  RowSumsOfAll other;
  other.loss = __shfl_xor_sync(kAllLanes, sums.loss, distance);
  other.weights = __shfl_xor_sync(kAllLanes, sums.weights, distance);
  other.pruned = __shfl_xor_sync(kAllLanes, sums.pruned, distance);
  other.top_ranked = __shfl_xor_sync(kAllLanes, sums.top_ranked, distance);
  other.non_finite = __shfl_xor_sync(kAllLanes, sums.non_finite, distance);
  return other;
}

FBL_DEVICE void write_summary(const DeviceProblem& call, DeviceSummary& summary, const RowSumsOfAll& sums) {
  const LossProblem& problem = call.problem;
  summary.divisor = is_weighted_mean(problem) ? sums.weights + 1e-8 : divisor_of(problem, summary);
  summary.loss = problem.reduction == Reduction::kNone ? 0 : sums.loss / summary.divisor;
  summary.pruned_rows = sums.pruned;
  summary.top_ranked_rows = sums.top_ranked;
  summary.non_finite_rows = sums.non_finite;
  if (call.loss != nullptr && problem.reduction != Reduction::kNone) *call.loss = static_cast<float>(summary.loss);
}

__global__ void __launch_bounds__(kSumThreads)
    end_kernel(const __grid_constant__ DeviceProblem call, const Workspace workspace) {
  wait_for_last_kernel();
  RowSumsOfAll* const warps = reinterpret_cast<RowSumsOfAll*>(dynamic_shared_memory());
  RowSumsOfAll sums = {};
#pragma unroll 1
  for (std::int64_t first = threadIdx.x; first < call.problem.rows; first += kSumThreads * kRowsTogether) {
    RowTerms rows[kRowsTogether];
#pragma unroll
    for (int i = 0; i < kRowsTogether; ++i) {
      const std::int64_t row = first + i * kSumThreads;
      rows[i] = row < call.problem.rows ? read_terms(call.problem, workspace, row) : RowTerms{};
    }
#pragma unroll
    for (int i = 0; i < kRowsTogether; ++i) add_row(call.problem, rows[i], sums);
  }
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) add_sums(shuffled(sums, distance), sums);
  if (lane_index() == 0) warps[warp_index()] = sums;
  __syncthreads();
  DeviceSummary& summary = *workspace.summary;
  if (threadIdx.x == 0) {
    for (int warp = 1; warp < kSumThreads / kWarpSize; ++warp) add_sums(warps[warp], sums);
    write_summary(call, summary, sums);
  }
  if (warp_index() != 0) return;
  const std::uint64_t complement = summary.fault_row_complement;
  ProblemFault fault;
  if (complement != 0) {
    const auto row = static_cast<std::int64_t>(~complement);
    fault = find_row_fault(call, row, read_row(call.problem, row));
  }
  if (lane_index() != 0) return;
  summary.fault_error = static_cast<std::int32_t>(fault.error);
  summary.fault_row = fault.row;
  summary.fault_value = fault.value;
}

} // namespace

cudaError_t launch_begin_kernel(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream) {
  if (call.problem.rows == 0) return cudaSuccess;
  const int rows_of_block = rows_of_check_block(call.problem);
  const std::int64_t blocks = std::min(kMaxCheckBlocks, (call.problem.rows + rows_of_block - 1) / rows_of_block);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(kCheckThreads);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, begin_kernel, call, workspace);
}

cudaError_t launch_end_kernel(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                              bool overlapping) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(kSumThreads);
  config.dynamicSmemBytes = sizeof(RowSumsOfAll) * (kSumThreads / kWarpSize);
  config.stream = stream;
  cudaLaunchAttribute overlap = overlap_attribute();
  config.attrs = &overlap;
  config.numAttrs = overlapping ? 1 : 0;
  return cudaLaunchKernelEx(&config, end_kernel, call, workspace);
}

} // namespace fused_bear_loss::cuda
