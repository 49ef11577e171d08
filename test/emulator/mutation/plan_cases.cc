// At the borders of what the launch plan decides, and with devices that refuse what they are asked for.
#include "native/core/dtype.h"
#include "native/cuda/kernels/shared_layout.h"
#include "native/cuda/launch_plan.h"
#include "native/cuda/prepare_kernels.h"
#include "test/emulator/mutation/host_case.h"
#include "test/emulator/runtime/runtime_state.h"

namespace fused_bear_loss::mutation {
namespace {

using cuda::DeviceProperties;
using cuda::LaunchPlan;
using cuda::Residency;

constexpr std::size_t kReservedBytes = 1024; // of a multiprocessor's shared memory, for each block

std::size_t bytes_for(std::int64_t vectors) { return cuda::kRowOffset + static_cast<std::size_t>(vectors) * 16; }

// A block may have room for `largest` vectors; with up to `roomy` of them three blocks fit a multiprocessor.
DeviceProperties device_of(std::int64_t largest, std::int64_t roomy) {
  DeviceProperties properties;
  properties.shared_bytes_per_block = bytes_for(largest);
  properties.shared_bytes_per_multiprocessor = cuda::kBlocksPerMultiprocessor * (bytes_for(roomy) + kReservedBytes);
  return properties;
}

LossProblem problem_of(std::int64_t vectors, std::int64_t beam_width, GradientMode gradient) {
  LossProblem problem;
  problem.rows = 2;
  problem.vocab_size = problem.row_stride = vectors * 4; // of float32
  problem.beam_width = beam_width;
  problem.gradient = gradient;
  return problem;
}

void expect_threads(std::int64_t vocab_size, std::int64_t beam_width, int threads) {
  LossProblem problem = problem_of(1, beam_width, GradientMode::kNone);
  problem.vocab_size = problem.row_stride = vocab_size;
  expect_equal(cuda::plan_rows(problem, device_of(4000, 4000)).threads, threads, "threads of a block");
}

void expect_plan(const LossProblem& problem, const DeviceProperties& device, std::int64_t capacity,
                 Residency residency) {
  const LaunchPlan plan = cuda::plan_rows(problem, device);
  expect_equal(static_cast<double>(plan.row_capacity), static_cast<double>(capacity), "vectors that a block keeps");
  expect_equal(static_cast<double>(plan.residency), static_cast<double>(residency), "where the row waits");
  expect_equal(static_cast<double>(plan.shared_bytes), static_cast<double>(bytes_for(capacity)), "shared bytes");
}

void expect_prepared(const char* call, cudaError_t error, const DeviceProperties& wanted) {
  cudaDeviceProp properties{};
  cudaGetDeviceProperties(&properties, 0);
  DeviceProperties granted = cuda::device_properties_of(properties);
  cudaGetLastError();
  fail_call(call, 3, error);
  expect(cuda::prepare_row_kernels(granted) == cudaSuccess, "a refusal is no error");
  end_faults();
  expect(cudaPeekAtLastError() == cudaSuccess, "a refusal is forgotten");
  expect(granted.refuses_to_opt_in == wanted.refuses_to_opt_in, "whether more shared memory is granted");
  expect_equal(
      static_cast<double>(granted.granted_shared_bytes()),
      static_cast<double>(wanted.refuses_to_opt_in ? properties.sharedMemPerBlock : properties.sharedMemPerBlockOptin),
      "shared memory of a block");
}

} // namespace

void plans_of_launches() {
  constexpr GradientMode kNone = GradientMode::kNone;
  constexpr GradientMode kWith = GradientMode::kOutOfPlace;
  // Threads: by vectors of the row, the last of which may have a single logit, and by beam width.
  expect_threads(4 * 128, 500, 64);
  expect_threads(4 * 128 + 1, 500, 128);
  expect_threads(4 * 1280, 32, 64);
  expect_threads(4 * 1280 + 1, 32, 128);
  expect_threads(4 * 1280, 33, 128);
  expect_threads(4 * 1024, 500, 128);
  expect_threads(4 * 1024 + 1, 500, 256);
  expect_threads(4 * 2560, 64, 128);
  expect_threads(4 * 2560 + 1, 64, 256);
  expect_threads(4 * 2560, 65, 256);
  expect_threads(4 * 2561, 2, 256);

  // A row is kept where three blocks that keep one fit a multiprocessor, and no block exceeds what it may have.
  const DeviceProperties large = device_of(30, 20);
  expect_plan(problem_of(20, 4, kWith), large, 20, Residency::kShared);
  expect_plan(problem_of(21, 4, kWith), large, 0, Residency::kGlobal);
  const DeviceProperties small = device_of(20, 30);
  expect_plan(problem_of(20, 4, kWith), small, 20, Residency::kShared);
  expect_plan(problem_of(21, 4, kWith), small, 0, Residency::kGlobal);
  // No room at all: not even for the block's state, nor for what the runtime takes of each block's share.
  DeviceProperties tiny = device_of(30, 20);
  tiny.shared_bytes_per_block = 100;
  expect_plan(problem_of(1, 4, kWith), tiny, 0, Residency::kGlobal);
  tiny = device_of(30, 20);
  tiny.shared_bytes_per_multiprocessor = cuda::kBlocksPerMultiprocessor * (kReservedBytes - 1);
  expect_plan(problem_of(1, 4, kWith), tiny, 0, Residency::kGlobal);

  // Only what is read again is kept.
  expect_plan(problem_of(20, 4, kNone), large, 0, Residency::kGlobal);
  expect_plan(problem_of(20, cuda::kMaxQueueWidth, kNone), large, 0, Residency::kGlobal);
  expect_plan(problem_of(20, cuda::kMaxQueueWidth + 1, kNone), large, 20, Residency::kShared);
  const std::int32_t offsets[] = {0, 1, 2};
  LossProblem listed = problem_of(21, 4, kWith);
  listed.allowed_offsets = offsets;
  expect_plan(listed, large, 20, Residency::kGlobal);
  listed.gradient = kNone;
  expect_plan(listed, large, 0, Residency::kGlobal);

  // What the device does not grant changes where a row waits, and not the threads that add it up.
  DeviceProperties refusing = large;
  refusing.refuses_to_opt_in = true;
  refusing.shared_bytes_without_asking = bytes_for(11);
  expect_plan(problem_of(11, 4, kWith), refusing, 11, Residency::kShared);
  expect_plan(problem_of(12, 4, kWith), refusing, 0, Residency::kGlobal);
  for (const std::int64_t vectors : {11, 12, 3000}) {
    const LossProblem problem = problem_of(vectors, 4, kWith);
    expect_equal(cuda::plan_rows(problem, refusing).threads, cuda::plan_rows(problem, large).threads, "threads");
  }
}

// Of plain rows that do not fit, as many whole tiles as there is room for; of narrow ones none, but for the tile that
// they are turned into vectors in.
void what_is_kept_of_plain_rows() {
  const auto expect_kept = [](const LaunchPlan& plan, bool narrow, std::int64_t kept, std::int64_t tile_of_narrow = 0) {
    const cuda::PlainRows rows = cuda::plan_plain_rows(plan, narrow);
    expect_equal(static_cast<double>(rows.kept_vectors), static_cast<double>(kept), "vectors of a plain row");
    expect_equal(static_cast<double>(rows.shared_bytes), static_cast<double>(bytes_for(kept + tile_of_narrow)),
                 "shared bytes of a plain row");
  };
  constexpr GradientMode kWith = GradientMode::kOutOfPlace;
  constexpr std::int64_t kTile = 64 * cuda::kTileVectors; // of rows with 64 threads
  const auto plan_of = [](std::int64_t vectors, GradientMode gradient, std::int64_t room) {
    return cuda::plan_rows(problem_of(vectors, 4, gradient), device_of(room, room));
  };
  for (const bool narrow : {false, true}) expect_kept(plan_of(2 * kTile, kWith, 2 * kTile), narrow, 2 * kTile);
  const LaunchPlan two_tiles = plan_of(2 * kTile + 2, kWith, 2 * kTile + 1);
  expect_kept(two_tiles, false, 2 * kTile);
  expect_kept(two_tiles, true, 0, kTile);
  expect_kept(plan_of(2 * kTile + 2, kWith, 2 * kTile - 1), false, kTile);
  expect_kept(plan_of(2 * kTile + 2, kWith, kTile - 1), false, 0);
  const LaunchPlan forward = plan_of(2 * kTile + 2, GradientMode::kNone, 2 * kTile);
  expect_kept(forward, false, 0);
  expect_kept(forward, true, 0, kTile);
}

void kernels_that_suit_a_problem() {
  const DeviceProperties device = device_of(4000, 4000);
  const auto is_plain = [&](const LossProblem& problem, const LossOutputs& outputs = {}) {
    return cuda::is_plain(problem, outputs, cuda::plan_rows(problem, device));
  };
  const LossProblem plain = problem_of(2000, 4, GradientMode::kOutOfPlace);
  expect(is_plain(plain), "a problem without options");
  const auto expect_options = [&](const char* what, auto change) {
    LossProblem problem = plain;
    change(problem);
    expect(!is_plain(problem), what);
  };
  const std::int32_t offsets[] = {0, 1, 2};
  const std::uint32_t bitmask[] = {0};
  expect_options("a list of tokens", [&](LossProblem& problem) { problem.allowed_offsets = offsets; });
  expect_options("a bitmask of tokens", [&](LossProblem& problem) { problem.allowed_bitmask = bitmask; });
  expect_options("a softcap", [](LossProblem& problem) { problem.softcap = 30; });
  expect_options("smoothing", [](LossProblem& problem) { problem.label_smoothing = 0.1; });
  expect_options("sparse gradients", [](LossProblem& problem) { problem.gradient = GradientMode::kInPlaceSparse; });
  expect_options("a gradient of the threshold",
                 [](LossProblem& problem) { problem.threshold_gradient = ThresholdGradient::kFlow; });
  LossProblem flowing = problem_of(2000, 4, GradientMode::kNone);
  flowing.threshold_gradient = ThresholdGradient::kFlow;
  expect(is_plain(flowing), "a gradient of the threshold that nobody asks for");
  LossOutputs ranked;
  std::int32_t rank = 0;
  ranked.rank = &rank;
  expect(!is_plain(plain, ranked), "ranks");

  // The first tile's maxima bound the beam where twice as many threads have some of it, or none is needed.
  const std::int64_t wide = cuda::kQueueCapacity / 4 + 1;
  expect_equal(cuda::busy_threads(static_cast<int>(wide)), 65, "threads with a part of the tile");
  LossProblem bounded = problem_of(wide + 31, 48, GradientMode::kNone); // 96 threads
  expect(is_plain(bounded), "half as many as there are threads");
  bounded.beam_width = 49;
  expect(!is_plain(bounded), "more than half of them");
  bounded.vocab_size = cuda::kQueueCapacity;
  expect(is_plain(bounded), "a queue that holds all logits");
  bounded.vocab_size = cuda::kQueueCapacity + 1;
  expect(!is_plain(bounded), "a queue for all but one");

  alignas(16) char memory[64];
  const auto is_narrow = [&](int logits_at, std::int64_t stride, int gradient_at, std::int64_t gradient_stride,
                             GradientMode gradient = GradientMode::kOutOfPlace, std::int64_t rows = 2) {
    LossProblem problem = problem_of(100, 4, gradient);
    problem.rows = rows;
    problem.logits = memory + logits_at;
    problem.row_stride = stride;
    LossOutputs outputs;
    outputs.grad_logits = memory + gradient_at;
    outputs.grad_row_stride = gradient_stride;
    return cuda::is_narrow(problem, outputs);
  };
  expect(!is_narrow(0, 400, 16, 404), "aligned rows");
  expect(is_narrow(4, 400, 16, 404), "a first row that is not");
  expect(is_narrow(0, 401, 16, 404), "a second row that is not");
  expect(is_narrow(0, 400, 4, 404), "a first row of the gradient");
  expect(is_narrow(0, 400, 16, 405), "a second row of the gradient");
  expect(!is_narrow(0, 400, 4, 405, GradientMode::kNone), "no gradient");
  expect(!is_narrow(0, 401, 16, 405, GradientMode::kOutOfPlace, 1), "a stride of one row");

  cudaDeviceProp properties{};
  properties.major = 9;
  properties.sharedMemPerBlock = 48;
  properties.sharedMemPerBlockOptin = 227;
  properties.sharedMemPerMultiprocessor = 228;
  const DeviceProperties known = cuda::device_properties_of(properties);
  expect(cuda::overlaps_kernels(known), "from compute capability 9 on, kernels overlap");
  properties.major = 8;
  expect(!cuda::overlaps_kernels(cuda::device_properties_of(properties)), "before, they do not");
  expect_equal(static_cast<double>(known.granted_shared_bytes()), 227, "shared bytes of a block");
  expect_equal(static_cast<double>(known.shared_bytes_per_multiprocessor), 228, "shared bytes of a multiprocessor");
  expect_equal(static_cast<double>(known.shared_bytes_without_asking), 48, "shared bytes without asking");
}

void what_a_device_grants() {
  DeviceProperties less_memory;
  less_memory.refuses_to_opt_in = true;
  for (const cudaError_t refusal : {cudaErrorInvalidValue, cudaErrorNotSupported, cudaErrorLaunchOutOfResources}) {
    expect_prepared("cudaFuncSetAttribute", refusal, less_memory);
  }
  DeviceProperties properties;
  properties.shared_bytes_per_block = 100 * 1024;
  fail_call("cudaFuncSetAttribute", 2, cudaErrorInvalidDeviceFunction);
  expect(cuda::prepare_row_kernels(properties) == cudaErrorInvalidDeviceFunction, "an error is no refusal");
  end_faults();
  cudaGetLastError();
  expect_prepared("", cudaSuccess, {}); // and all is as it was
}

} // namespace fused_bear_loss::mutation
