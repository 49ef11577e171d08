#include "native/cuda/launch_plan.h"

#include <algorithm>

#include "native/core/dtype.h"
#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {
namespace {

constexpr std::int64_t kVectorBytes = 16;
// What the runtime takes of a multiprocessor's shared memory for each block.
constexpr std::size_t kReservedBytes = 1024;
constexpr int kFirstMajorWithClusters = 9;

std::int64_t row_vectors(const LossProblem& problem) {
  const std::int64_t length = kVectorBytes / element_size(problem.dtype);
  return (problem.vocab_size + length - 1) / length;
}

std::int64_t vectors_in(std::size_t shared_bytes) {
  return shared_bytes < kRowOffset ? 0 : static_cast<std::int64_t>((shared_bytes - kRowOffset) / kVectorBytes);
}

// Blocks of the smallest cluster whose slices leave room for as many blocks on a multiprocessor as registers do, so
// that one can load while another reduces and a third writes; or else of the largest. Whether or not the device grants
// such a cluster: the order of sums follows from the slices.
int slices_for(std::int64_t vectors, const DeviceProperties& properties) {
  if (properties.compute_major < kFirstMajorWithClusters) return 1;
  const std::size_t share = properties.shared_bytes_per_multiprocessor / kBlocksPerMultiprocessor;
  const std::int64_t roomy = vectors_in(share < kReservedBytes ? 0 : share - kReservedBytes);
  const std::int64_t largest = vectors_in(properties.shared_bytes_per_block);
  int size = 1;
  while (size < kMaxClusterSize && (vectors + size - 1) / size > roomy) size *= 2;
  // A row that no cluster can keep is better off with blocks that do not wait for each other.
  return (vectors + size - 1) / size <= largest ? size : 1;
}

// Few enough that every thread has some vectors, and a block's barriers few warps to wait for: short rows are swept by
// more blocks side by side, as long as the maxima of so few threads give a bound for the beam.
int threads_for(std::int64_t slice_vectors, std::int64_t beam_width) {
  if (slice_vectors <= 128 || (slice_vectors <= 1280 && beam_width <= 32)) return 64;
  if (slice_vectors <= 1024 || (slice_vectors <= 2560 && beam_width <= 64)) return 128;
  return kMaxThreads;
}

// Whether the maxima of a row's first tile give a bound: of twice as many threads as the beam is wide. Or none is
// needed.
bool finds_bound_by_maxima(const LossProblem& problem, const LaunchPlan& plan) {
  const std::int64_t slice = (row_vectors(problem) + plan.slices - 1) / plan.slices;
  const int vectors = static_cast<int>(std::min(slice, std::int64_t{plan.threads} * kTileVectors));
  return 2 * problem.beam_width <= busy_threads(vectors) || problem.vocab_size <= kQueueCapacity;
}

} // namespace

DeviceProperties device_properties_of(const cudaDeviceProp& properties) {
  DeviceProperties result;
  result.compute_major = properties.major;
  result.max_cluster_size = properties.clusterLaunch != 0 ? kMaxClusterSize : 1;
  result.shared_bytes_per_block = properties.sharedMemPerBlockOptin;
  result.shared_bytes_per_multiprocessor = properties.sharedMemPerMultiprocessor;
  result.shared_bytes_without_asking = properties.sharedMemPerBlock;
  return result;
}

LaunchPlan plan_rows(const LossProblem& problem, const DeviceProperties& properties) {
  const std::int64_t vectors = row_vectors(problem);
  LaunchPlan plan;
  plan.slices = slices_for(vectors, properties);
  const std::int64_t slice = (vectors + plan.slices - 1) / plan.slices;
  plan.threads = threads_for(slice, problem.beam_width);
  const std::int64_t room = vectors_in(properties.granted_shared_bytes());
  // A row is kept for its gradient, and for what else goes through it again. Else a block needs no others.
  const bool is_read_again = problem.gradient != GradientMode::kNone || problem.beam_width > kMaxQueueWidth;
  if (is_read_again && plan.slices <= properties.max_cluster_size && slice <= room) plan.cluster_size = plan.slices;
  const std::int64_t share = plan.cluster_size == plan.slices ? slice : vectors;
  // A list of tokens may be short however long the vocabulary is: kept where it fits.
  const bool listed = problem.allowed_offsets != nullptr;
  const bool fits = share <= room;
  if (is_read_again && (fits || listed)) plan.row_capacity = std::min(share, room);
  plan.residency = !is_read_again || !fits ? Residency::kGlobal
                   : plan.cluster_size > 1 ? Residency::kCluster
                                           : Residency::kShared;
  plan.shared_bytes = kRowOffset + static_cast<std::size_t>(plan.row_capacity * kVectorBytes);
  return plan;
}

bool is_plain(const LossProblem& problem, const LossOutputs& outputs, const LaunchPlan& plan) {
  const bool constrained = problem.allowed_offsets != nullptr || problem.allowed_bitmask != nullptr;
  const bool flows = problem.threshold_gradient == ThresholdGradient::kFlow && problem.gradient != GradientMode::kNone;
  return !constrained && !flows && problem.softcap <= 0 && problem.label_smoothing <= 0 && outputs.rank == nullptr &&
         problem.gradient != GradientMode::kInPlaceSparse && finds_bound_by_maxima(problem, plan);
}

bool is_narrow(const LossProblem& problem, const LossOutputs& outputs) {
  const auto is_wide = [&](const void* rows, std::int64_t stride) {
    return reinterpret_cast<std::uintptr_t>(rows) % kVectorBytes == 0 &&
           (problem.rows == 1 || stride * element_size(problem.dtype) % kVectorBytes == 0);
  };
  return !is_wide(problem.logits, problem.row_stride) ||
         (problem.gradient != GradientMode::kNone && !is_wide(outputs.grad_logits, outputs.grad_row_stride));
}

std::size_t narrow_tile_bytes(const LaunchPlan& plan) {
  return static_cast<std::size_t>(plan.threads) * kTileVectors * kVectorBytes;
}

} // namespace fused_bear_loss::cuda
