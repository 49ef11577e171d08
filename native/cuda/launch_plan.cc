#include "native/cuda/launch_plan.h"

#include <algorithm>

#include "native/core/dtype.h"
#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {
namespace {

constexpr std::int64_t kVectorBytes = 16;
// What the runtime takes of a multiprocessor's shared memory for each block.
constexpr std::size_t kReservedBytes = 1024;

std::int64_t row_vectors(const LossProblem& problem) {
  const std::int64_t length = kVectorBytes / element_size(problem.dtype);
  return (problem.vocab_size + length - 1) / length;
}

std::int64_t vectors_in(std::size_t shared_bytes) {
  return shared_bytes < kRowOffset ? 0 : static_cast<std::int64_t>((shared_bytes - kRowOffset) / kVectorBytes);
}

// Vectors that a block may keep, if as many blocks are to find room on a multiprocessor as its registers suffice for.
// A row that leaves room for fewer takes longer, measured, than one that is read twice.
std::int64_t room_of(const DeviceProperties& properties) {
  const std::size_t share = properties.shared_bytes_per_multiprocessor / kBlocksPerMultiprocessor;
  return vectors_in(std::min(share < kReservedBytes ? 0 : share - kReservedBytes, properties.granted_shared_bytes()));
}

// Few enough that every thread has some vectors, and a block's barriers few warps to wait for: rows are swept by more
// blocks side by side, as long as the maxima of so few threads give a bound for the beam.
int threads_for(std::int64_t vectors, std::int64_t beam_width) {
  if (vectors <= 128 || (vectors <= 1280 && beam_width <= 32)) return 64;
  if (vectors <= 1024 || (vectors <= 2560 && beam_width <= 64)) return 128;
  return kMaxThreads;
}

// Whether the maxima of a row's first tile give a bound: of twice as many threads as the beam is wide. Or none is
// needed.
bool finds_bound_by_maxima(const LossProblem& problem, const LaunchPlan& plan) {
  const int vectors = static_cast<int>(std::min(row_vectors(problem), std::int64_t{plan.threads} * kTileVectors));
  return 2 * problem.beam_width <= busy_threads(vectors) || problem.vocab_size <= kQueueCapacity;
}

} // namespace

DeviceProperties device_properties_of(const cudaDeviceProp& properties) {
  DeviceProperties result;
  result.compute_major = properties.major;
  result.shared_bytes_per_block = properties.sharedMemPerBlockOptin;
  result.shared_bytes_per_multiprocessor = properties.sharedMemPerMultiprocessor;
  result.shared_bytes_without_asking = properties.sharedMemPerBlock;
  return result;
}

bool overlaps_kernels(const DeviceProperties& properties) { return properties.compute_major >= 9; }

bool has_forward_kernels(const DeviceProperties& properties) { return properties.compute_major >= 9; }

LaunchPlan plan_rows(const LossProblem& problem, const DeviceProperties& properties) {
  const std::int64_t vectors = row_vectors(problem);
  LaunchPlan plan;
  plan.threads = threads_for(vectors, problem.beam_width);
  // A row is kept for its gradient, and for what else goes through it again.
  const bool is_read_again = problem.gradient != GradientMode::kNone || problem.beam_width > kMaxQueueWidth;
  const std::int64_t room = room_of(properties);
  if (is_read_again) plan.room = room;
  // A list of tokens may be short however long the vocabulary is: kept where it fits.
  const bool listed = problem.allowed_offsets != nullptr;
  if (is_read_again && (vectors <= room || listed)) plan.row_capacity = std::min(vectors, room);
  plan.residency = is_read_again && vectors <= room ? Residency::kShared : Residency::kGlobal;
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

PlainRows plan_plain_rows(const LaunchPlan& plan, bool narrow) {
  const std::int64_t tile = std::int64_t{plan.threads} * kTileVectors;
  PlainRows rows;
  rows.kept_vectors = plan.row_capacity > 0 ? plan.row_capacity : plan.room / tile * tile;
  rows.shared_bytes = kRowOffset + static_cast<std::size_t>(rows.kept_vectors * kVectorBytes);
  if (narrow && plan.row_capacity == 0) {
    rows.kept_vectors = 0;
    rows.shared_bytes = kRowOffset + static_cast<std::size_t>(tile * kVectorBytes);
  }
  return rows;
}

} // namespace fused_bear_loss::cuda
