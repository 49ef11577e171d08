// Runs host code around the emulated device as callers do, and compares with the CPU or with what was put in. Ends with
// 1 at the first thing that is wrong, for the mutation run of native/cuda/*.cc.
#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "native/core/backend.h"
#include "native/core/device_api.h"
#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/shared_layout.h"
#include "native/cuda/launch_plan.h"
#include "native/cuda/staged_loss.h"
#include "native/cuda/stream.h"
#include "test/emulator/mutation/host_case.h"
#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"
#include "test/faults/allocations/failing_allocator.h"

namespace fused_bear_loss::mutation {
namespace {

// Expects a DeviceError of this kind.
void expect_error(DeviceErrorKind kind, const std::function<void()>& run, const char* what, const char* says = "") {
  try {
    run();
  } catch (const DeviceError& error) {
    if (error.kind != kind) fail(what, static_cast<double>(error.kind), static_cast<double>(kind));
    if (std::strstr(error.what(), says) == nullptr) fail(error.what());
    return;
  }
  fail(what);
}

// A problem of the host with its outputs.
struct Problem {
  Problem(std::int64_t rows, std::int64_t vocab_size, std::int64_t stride, unsigned seed)
      : logits(static_cast<std::size_t>(rows * stride), 7), gradient(logits.size(), 9) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 2);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t i = 0; i < vocab_size; ++i) logits[static_cast<std::size_t>(row * stride + i)] = normal(random);
      targets.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab_size)));
      weights.push_back(1 + static_cast<float>(row % 3));
    }
    for (std::vector<float>* each : {&nll, &log_sum_exp, &threshold, &margin, &penalty, &row_losses}) {
      each->assign(static_cast<std::size_t>(rows), 5);
    }
    ranks.assign(static_cast<std::size_t>(rows), 5);
    problem.rows = rows;
    problem.vocab_size = vocab_size;
    problem.row_stride = stride;
    problem.beam_width = 4;
    problem.logits = logits.data();
    problem.targets = targets.data();
    problem.token_weights = weights.data();
  }
  LossOutputs outputs() {
    LossOutputs out;
    const bool in_place =
        problem.gradient == GradientMode::kInPlace || problem.gradient == GradientMode::kInPlaceSparse;
    out.grad_logits = problem.gradient == GradientMode::kNone ? nullptr : in_place ? logits.data() : gradient.data();
    out.grad_row_stride = problem.row_stride;
    out.grad_is_new = grad_is_new;
    out.nll = nll.data();
    out.log_sum_exp = log_sum_exp.data();
    out.threshold = threshold.data();
    out.margin = margin.data();
    out.penalty = penalty.data();
    out.rank = ranks.data();
    if (problem.reduction == Reduction::kNone) out.row_losses = row_losses.data();
    return out;
  }
  std::vector<float> all() const {
    std::vector<float> bytes;
    for (const std::vector<float>* each :
         {&logits, &gradient, &nll, &log_sum_exp, &threshold, &margin, &penalty, &row_losses}) {
      bytes.insert(bytes.end(), each->begin(), each->end());
    }
    for (const std::int32_t rank : ranks) bytes.push_back(static_cast<float>(rank));
    return bytes;
  }

  LossProblem problem;
  bool grad_is_new = false;
  std::vector<float> logits, gradient, weights, nll, log_sum_exp, threshold, margin, penalty, row_losses;
  std::vector<std::int32_t> targets, ranks;
};

void expect_same(const Problem& got, const Problem& expected) {
  const std::vector<float> a = got.all();
  const std::vector<float> b = expected.all();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= 1e-5f * std::fmax(1.0f, std::fabs(b[i])))) fail("an output", a[i], b[i]);
  }
}
void expect_same(const LossSummary& got, const LossSummary& expected) {
  if (std::fabs(got.loss - expected.loss) > 1e-5 * std::fmax(1, std::fabs(expected.loss))) {
    fail("the loss", got.loss, expected.loss);
  }
  expect_equal(static_cast<double>(got.counted_rows), static_cast<double>(expected.counted_rows), "counted rows");
  expect_equal(static_cast<double>(got.pruned_rows), static_cast<double>(expected.pruned_rows), "pruned rows");
  expect_equal(static_cast<double>(got.top_ranked_rows), static_cast<double>(expected.top_ranked_rows), "top rows");
  expect(got.non_finite_rows == expected.non_finite_rows, "rows that are not finite");
}

void expect_as_on_cpu(Problem host, int device) {
  Problem reference = host;
  reference.problem.logits = reference.logits.data();
  reference.problem.targets = reference.targets.data();
  reference.problem.token_weights = host.problem.token_weights == nullptr ? nullptr : reference.weights.data();
  host.problem.logits = host.logits.data();
  host.problem.targets = host.targets.data();
  host.problem.token_weights = host.problem.token_weights == nullptr ? nullptr : host.weights.data();
  LossSummary expected;
  LossSummary summary;
  cpu_backend().compute(reference.problem, reference.outputs(), expected, nullptr);
  expect(cuda_backend(device).compute(host.problem, host.outputs(), summary, nullptr) == ComputeStatus::kOk, "status");
  expect_same(summary, expected);
  expect_same(host, reference);
}

void chunk_bytes(const char* bytes) { setenv("FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES", bytes, 1); }

// ---- host arrays

void staged_losses() {
  for (const char* bytes : {"1", "2500", "1000000", "-3"}) {
    chunk_bytes(bytes);
    for (const Reduction reduction : {Reduction::kMean, Reduction::kWeightedMean, Reduction::kNone}) {
      for (const GradientMode mode : {GradientMode::kNone, GradientMode::kOutOfPlace, GradientMode::kInPlace}) {
        Problem problem(7, 130, mode == GradientMode::kInPlace ? 133 : 130, 3);
        problem.problem.reduction = reduction;
        problem.problem.gradient = mode;
        if (reduction == Reduction::kWeightedMean) problem.problem.penalty = Penalty::kReweight;
        problem.grad_is_new = mode == GradientMode::kOutOfPlace && reduction == Reduction::kMean;
        problem.targets[2] = problem.problem.ignore_index;
        problem.logits[static_cast<std::size_t>(4 * problem.problem.row_stride + 5)] = NAN;
        if (problem.targets[4] == 5) problem.targets[4] = 6;
        // NaN in both is not compared: a row of infinities is refused the same way.
        problem.logits[static_cast<std::size_t>(4 * problem.problem.row_stride + 5)] = 0.5f;
        expect_as_on_cpu(problem, 0);
      }
    }
  }
  chunk_bytes("2500");
  Problem capped(3, 130, 130, 9);
  capped.problem.gradient = GradientMode::kOutOfPlace;
  capped.problem.softcap = 3;
  capped.problem.temperature = 0.5;
  expect_as_on_cpu(capped, 0);
  expect_as_on_cpu(Problem(1, 5, 5, 1), 1);
  Problem wide(2, 4001, 4001, 2);
  wide.problem.beam_width = 300;
  expect_as_on_cpu(wide, 0);
  Problem none(0, 5, 5, 1);
  none.problem.rows = 0;
  LossSummary summary;
  const std::uint64_t before = calls_of("cudaLaunchKernelEx");
  expect(cuda_backend(0).compute(none.problem, none.outputs(), summary, nullptr) == ComputeStatus::kOk, "no rows");
  expect_equal(static_cast<double>(calls_of("cudaLaunchKernelEx")), static_cast<double>(before), "launches of no rows");
}

void staged_and_aborted() {
  chunk_bytes("2500");
  Problem problem(9, 130, 130, 4);
  const std::vector<float> before = problem.all();
  LossSummary summary;
  std::atomic<std::int32_t> abort{1};
  expect(cuda_backend(0).compute(problem.problem, problem.outputs(), summary, &abort) == ComputeStatus::kAborted,
         "aborted");
  expect(before == problem.all(), "nothing is written by a call that is aborted");
  abort = 0;
  expect(cuda_backend(0).compute(problem.problem, problem.outputs(), summary, &abort) == ComputeStatus::kOk, "ok");
}

// Cached blocks of a size, each on a stream of its own that comes after the block's last use and nothing else: of
// device memory, or of page-locked memory through uploads to `target`.
void use_blocks_again(std::size_t bytes, DeviceStorage* target) {
  const DeviceApi& api = device_api();
  const std::vector<char> sent(bytes);
  std::vector<std::shared_ptr<DeviceStorage>> blocks;
  for (int i = 0; i < 4; ++i) {
    const auto stream = api.create_stream(0);
    if (target != nullptr) {
      api.upload(*target, sent.data(), bytes, stream);
    } else {
      blocks.push_back(api.allocate(0, bytes, stream));
      api.clear(*blocks.back(), stream);
    }
  }
}

// The flag is set while kernels run, at each of them in turn.
void staged_and_aborted_on_the_way() {
  const bool at_once = simt::settings().seed == 0;
  const auto target = device_api().allocate(0, 2000, nullptr);
  chunk_bytes("1100");
  for (const Reduction reduction : {Reduction::kMean, Reduction::kWeightedMean}) {
    for (std::uint64_t kernel = 1; kernel < 30; ++kernel) {
      Problem problem(9, 130, 130, 4);
      problem.problem.gradient = GradientMode::kOutOfPlace;
      problem.problem.reduction = reduction;
      const std::vector<float> before = problem.all();
      std::atomic<std::int32_t> abort{0};
      const std::uint64_t launched = calls_of("cudaLaunchKernelEx");
      simt::runtime().foreign_writes.push_back({kernel, &abort, {1, 0, 0, 0}});
      LossSummary summary;
      const ComputeStatus status = cuda_backend(0).compute(problem.problem, problem.outputs(), summary, &abort);
      simt::runtime().foreign_writes.clear();
      if (abort == 0) {
        expect(status == ComputeStatus::kOk && kernel > calls_of("cudaLaunchKernelEx") - launched, "a flag never set");
        break;
      }
      // Where work is late, the flag may be set behind the last look at it, or when the call is over.
      expect(status == ComputeStatus::kAborted || (!at_once && status == ComputeStatus::kOk), "aborted on the way");
      if (status == ComputeStatus::kAborted) {
        expect(before == problem.all(), "nothing is written by a call that is aborted on the way");
      }
      if (at_once) expect(calls_of("cudaLaunchKernelEx") - launched <= kernel + 1, "few kernels after that");
      // Its memory is used again while its work may still run. Each look at an event tells the host more: one size at a
      // time.
      const std::size_t slot = 2 * 132 * sizeof(float);
      if (kernel % 3 == 0) use_blocks_again(slot, nullptr);
      if (kernel % 3 == 1) use_blocks_again(slot, target.get());
      if (kernel % 3 == 2) use_blocks_again(cuda::workspace_bytes(9), nullptr);
      expect_as_on_cpu(Problem(9, 130, 130, 6), 0);
    }
  }
}

// What a call takes of memory and of the bus.
void staged_with_no_more_than_it_takes() {
  const DeviceApi& api = device_api();
  const auto run = [&](Problem& problem) {
    LossSummary summary;
    expect(cuda_backend(0).compute(problem.problem, problem.outputs(), summary, nullptr) == ComputeStatus::kOk, "ok");
  };
  const std::size_t row_bytes = 132 * sizeof(float);
  const auto expect_blocks = [&](std::int64_t rows_of_chunk, double slots) {
    chunk_bytes(std::to_string(static_cast<std::size_t>(rows_of_chunk) * row_bytes).c_str());
    api.release_cached(0);
    const std::int64_t held = api.memory(0).device.used_blocks;
    Problem problem(6, 130, 130, 4);
    run(problem);
    const double others = 2 + 6 + 1; // targets and weights, what is known of each row, the workspace
    expect_equal(static_cast<double>(api.memory(0).device.cached_blocks), others + slots, "blocks of a call");
    expect_equal(static_cast<double>(api.memory(0).device.used_blocks), static_cast<double>(held), "and none stays");
  };
  expect_blocks(6, 1);
  expect_blocks(3, 2);
  expect_blocks(2, 3);
  expect_blocks(1, 3);
  // Copies: the inputs, the chunks to the device, their gradients back, what is known of each row, and the report.
  const auto expect_copies = [&](const char* what, Problem problem, std::uint64_t copies) {
    const std::uint64_t before = calls_of("cudaMemcpyAsync");
    run(problem);
    expect_equal(static_cast<double>(calls_of("cudaMemcpyAsync") - before), static_cast<double>(copies), what);
  };
  Problem problem(6, 130, 130, 4);
  chunk_bytes(std::to_string(2 * row_bytes).c_str()); // three chunks
  problem.problem.gradient = GradientMode::kNone;
  expect_copies("copies without a gradient", problem, 2 + 3 + 6 + 1);
  problem.problem.gradient = GradientMode::kOutOfPlace;
  expect_copies("copies with a gradient", problem, 2 + 3 + 3 + 6 + 1);
  problem.problem.reduction = Reduction::kWeightedMean;
  expect_copies("copies of chunks that stay in their slots", problem, 2 + 3 + 3 + 6 + 1);
  chunk_bytes(std::to_string(row_bytes).c_str());
  expect_copies("copies of chunks that do not", problem, 2 + 6 + 6 + 6 + 6 + 1);
  // Only a gradient that is not the call's own waits in a buffer.
  problem.grad_is_new = true;
  faults::fail_bytes(6 * 130 * sizeof(float));
  run(problem);
  faults::fail_bytes(0);
  unsetenv("FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES");
  expect_equal(static_cast<double>(cuda::staging_chunk_bytes()), 32 << 20, "bytes of a chunk by default");
  chunk_bytes("0");
  expect_equal(static_cast<double>(cuda::staging_chunk_bytes()), 32 << 20, "bytes of a chunk of none");
}

// Lists, masks and weights of each row go along.
void staged_with_constraints() {
  chunk_bytes("1100");
  const std::vector<std::int32_t> offsets = {0, 3, 5, 9};
  const std::vector<std::int32_t> tokens = {1, 4, 128, 0, 7, 2, 3, 5, 129};
  std::vector<std::uint32_t> bits(3 * 5, 0xa5a5a5a5u);
  for (const GradientMode mode : {GradientMode::kNone, GradientMode::kOutOfPlace, GradientMode::kInPlaceSparse}) {
    Problem listed(3, 130, 130, 8);
    listed.problem.gradient = mode;
    listed.problem.beam_width = 2;
    listed.targets = {4, 0, 129};
    listed.problem.allowed_offsets = offsets.data();
    listed.problem.allowed_tokens = tokens.data();
    expect_as_on_cpu(listed, 0);
    if (mode == GradientMode::kInPlaceSparse) continue; // of lists alone
    Problem masked(3, 130, 130, 8);
    masked.problem.gradient = mode;
    masked.targets = {0, 2, 5};
    masked.problem.allowed_bitmask = bits.data();
    expect_as_on_cpu(masked, 0);
  }
}

void staged_side_by_side() {
  chunk_bytes("2000");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 2; ++thread) {
    threads.emplace_back([thread] {
      for (unsigned turn = 0; turn < 3; ++turn) expect_as_on_cpu(Problem(4, thread == 0 ? 14000 : 90, 14000, turn), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// So many calls of the function fail, from each of its calls on: an error or success, nothing written where it fails,
// nothing held.
void staged_with_faults_of(const char* name, int times) {
  const bool memory = std::strcmp(name, "cudaMalloc") == 0 || std::strcmp(name, "cudaHostAlloc") == 0;
  for (std::uint64_t nth = 1;; nth += nth < 6 ? 1 : 5) {
    Problem problem(6, 130, 130, 5);
    const std::vector<float> before = problem.all();
    device_api().release_cached(0);
    const MemoryCounts held = device_api().memory(0).device;
    const std::uint64_t called = calls_of(name);
    const cudaError_t error = memory ? cudaErrorMemoryAllocation : cudaErrorInvalidValue;
    for (int i = 0; i < times; ++i) fail_call(name, nth, error); // one after the other
    LossSummary summary;
    bool failed = false;
    try {
      cuda_backend(0).compute(problem.problem, problem.outputs(), summary, nullptr);
    } catch (const DeviceError&) {
      failed = true;
    }
    end_faults();
    if (failed) expect(before == problem.all(), "nothing is written by a call that fails");
    const DeviceMemoryReport after = device_api().memory(0);
    expect_equal(static_cast<double>(after.device.used_blocks), static_cast<double>(held.used_blocks), "held blocks");
    expect_equal(static_cast<double>(after.pinned.used_blocks), 0, "held pinned blocks");
    // Whatever was given back may be used at once.
    expect_as_on_cpu(Problem(6, 130, 130, 6), 0);
    if (calls_of(name) - called < nth + 1 || nth > 40) break;
  }
}

void staged_with_faults() {
  chunk_bytes("2500");
  for (const char* name : {"cudaMalloc", "cudaHostAlloc", "cudaLaunchKernelEx", "cudaMemcpyAsync", "cudaMemsetAsync",
                           "cudaEventRecord", "cudaStreamWaitEvent", "cudaEventSynchronize", "cudaEventCreateWithFlags",
                           "cudaStreamCreateWithFlags", "cudaGetDevice", "cudaEventQuery"}) {
    staged_with_faults_of(name, 1);
  }
  // Until the call has cleaned up: without an event it waits.
  for (const char* name : {"cudaEventRecord", "cudaEventCreateWithFlags"}) staged_with_faults_of(name, 40);
}

// ---- memory of the device

using Bytes = std::vector<unsigned char>;

Bytes pattern(std::size_t bytes, unsigned seed) {
  Bytes made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<unsigned char>((i * 131 + seed * 17 + i / 4096) & 0xff);
  return made;
}
Bytes downloaded(const DeviceStorage& storage) {
  Bytes bytes(storage.bytes());
  device_api().download(storage, bytes.data(), bytes.size());
  return bytes;
}

// What is enqueued next does not run soon.
void keep_busy(cudaStream_t stream) {
  const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
  for (int i = 0; i < 200; ++i) simt::enqueue(stream, "nothing", [] {});
}

void transfers_of(std::initializer_list<std::size_t> sizes) {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  for (const std::size_t bytes : sizes) {
    const auto storage = api.allocate(0, bytes, stream);
    const auto copy = api.allocate(0, bytes, api.adopt_stream(0, nullptr));
    const Bytes sent = pattern(bytes, 1);
    Bytes host = sent;
    api.upload(*storage, host.data(), bytes, stream);
    std::fill(host.begin(), host.end(), 0); // the call has read it
    expect(downloaded(*storage) == sent, "what was sent comes back");
    api.copy(*copy, *storage, bytes, api.adopt_stream(0, nullptr));
    api.clear(*storage, stream);
    expect(downloaded(*copy) == sent, "a copy of it, too");
    expect(downloaded(*storage) == Bytes(bytes, 0), "and zeros where it was");
    const auto late = api.enqueue_download(copy, bytes);
    api.clear(*copy, stream);
    Bytes received(bytes);
    late->finish(received.data());
    expect(received == sent, "a download keeps what was there when it was asked for");
    expect(downloaded(*copy) == Bytes(bytes, 0), "and what came later is there, too");
  }
}

void transfers() {
  transfers_of({1, 700});
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  const auto storage = api.allocate(0, 100, stream);
  api.clear(*storage, stream);
  const std::uint64_t waits = calls_of("cudaStreamWaitEvent");
  api.clear(*storage, stream);
  expect_equal(static_cast<double>(calls_of("cudaStreamWaitEvent")), static_cast<double>(waits),
               "waits of a stream for itself");
  const std::uint64_t streams = calls_of("cudaStreamCreateWithFlags");
  downloaded(*storage);
  expect_equal(static_cast<double>(calls_of("cudaStreamCreateWithFlags")), static_cast<double>(streams),
               "one stream for all downloads");
}

// What a transfer asks of the runtime.
void transfers_with_no_more_than_they_take() {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  const auto storage = api.allocate(0, 100, stream);
  const Bytes sent = pattern(100, 5);
  api.upload(*storage, sent.data(), 100, stream);
  expect(downloaded(*storage) == sent, "a short transfer");
  const std::uint64_t before = calls();
  api.upload(*storage, sent.data(), 0, stream);
  Bytes nothing;
  api.download(*storage, nothing.data(), 0);
  expect_equal(static_cast<double>(calls()), static_cast<double>(before), "calls for no bytes");
  // An event for a call, and a wait for an event, whatever memory they are of.
  const auto other = api.create_stream(0);
  const auto target = api.allocate(0, 100, stream);
  api.release_cached(0);
  const std::uint64_t made = calls_of("cudaEventCreateWithFlags");
  api.copy(*target, *storage, 100, stream);
  expect_equal(static_cast<double>(calls_of("cudaEventCreateWithFlags") - made), 1, "events of a copy");
  const std::uint64_t waited = calls_of("cudaStreamWaitEvent");
  api.copy(*target, *storage, 100, other);
  expect_equal(static_cast<double>(calls_of("cudaStreamWaitEvent") - waited), 1, "waits of a copy");
  const std::uint64_t recorded = calls_of("cudaEventRecord");
  api.upload(*storage, sent.data(), 100, stream);
  downloaded(*storage);
  expect_equal(static_cast<double>(calls_of("cudaEventRecord") - recorded), 2, "events of two transfers");
}

// Its buffer is not used again before the copy is over.
void a_download_that_nobody_waits_for() {
  const DeviceApi& api = device_api();
  cudaStream_t handle = nullptr;
  cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  {
    const auto busy = api.adopt_stream(0, handle);
    const auto other = api.create_stream(0);
    const auto first = api.allocate(0, 40000, busy);
    const auto second = api.allocate(0, 40000, other);
    api.release_cached(0);
    keep_busy(handle);
    api.clear(*first, busy);
    api.enqueue_download(first, 40000);
    api.upload(*second, pattern(40000, 6).data(), 40000, other);
    busy->synchronize();
    expect(downloaded(*second) == pattern(40000, 6), "what another transfer sends by then");
  }
  cudaStreamDestroy(handle);
}

// Of one whole piece, and of three, so that a page-locked buffer is used again. Each byte is followed, which takes as
// long as all other cases: two orders are enough for what reports find in any.
void transfers_in_pieces() {
  if (simt::settings().seed > 1) return;
  transfers_of({std::size_t{4} << 20, (std::size_t{8} << 20) + 1});
  const DeviceApi& api = device_api();
  api.release_cached(0);
  const auto storage = api.allocate(0, std::size_t{4} << 20, nullptr);
  downloaded(*storage);
  expect_equal(static_cast<double>(api.memory(0).pinned.cached_blocks), 1, "buffers of a single piece");
}

void blocks_go_from_stream_to_stream() {
  const DeviceApi& api = device_api();
  const std::size_t bytes = 3000;
  const auto first = api.create_stream(0);
  const auto second = api.create_stream(0);
  for (unsigned turn = 0; turn < 6; ++turn) {
    const auto kept = api.allocate(0, bytes, first);
    {
      const auto dropped = api.allocate(0, bytes, first);
      const Bytes sent = pattern(bytes, turn);
      api.upload(*dropped, sent.data(), bytes, first);
      api.copy(*kept, *dropped, bytes, first);
    }
    const auto next = api.allocate(0, turn % 2 == 0 ? bytes : bytes - 8, turn < 3 ? second : first);
    api.clear(*next, turn < 3 ? second : first);
    const auto third = api.allocate(0, bytes, nullptr);
    api.clear(*third, second);
    expect(downloaded(*kept) == pattern(bytes, turn), "what the former owner enqueued is done first");
    expect(downloaded(*next) == Bytes(next->bytes(), 0), "what the next one enqueued comes after it");
  }
}

void a_block_that_is_dropped_before_it_is_used() {
  const DeviceApi& api = device_api();
  const auto first = api.create_stream(0);
  const auto second = api.create_stream(0);
  const auto kept = api.allocate(0, 5000, first);
  {
    const auto used = api.allocate(0, 5000, first);
    api.upload(*used, pattern(5000, 1).data(), 5000, first);
    api.copy(*kept, *used, 5000, first);
  }
  { const auto unused = api.allocate(0, 5000, first); }
  const auto next = api.allocate(0, 5000, second);
  api.clear(*next, second);
  expect(downloaded(*kept) == pattern(5000, 1), "the block's last use is known over an owner that did not use it");
}

void counts_of_memory() {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  api.release_cached(0);
  const DeviceMemoryReport before = api.memory(0);
  expect_equal(static_cast<double>(before.device.cached_blocks), 0, "cached blocks after their release");
  expect_equal(static_cast<double>(before.device.cached_bytes), 0, "cached bytes after their release");
  const std::size_t live = simt::runtime().live.device_allocations;
  auto storage = api.allocate(0, 1000, stream);
  expect_equal(static_cast<double>(api.memory(0).device.used_blocks - before.device.used_blocks), 1, "a used block");
  expect_equal(static_cast<double>(api.memory(0).device.used_bytes - before.device.used_bytes), 1024, "used bytes");
  storage.reset();
  expect_equal(static_cast<double>(api.memory(0).device.used_bytes), static_cast<double>(before.device.used_bytes),
               "used bytes after it was given back");
  expect_equal(static_cast<double>(api.memory(0).device.cached_blocks), 1, "a cached block");
  expect_equal(static_cast<double>(api.memory(0).device.cached_bytes), 1024, "cached bytes");
  const std::uint64_t mallocs = calls_of("cudaMalloc");
  storage = api.allocate(0, 1024, stream);
  expect_equal(static_cast<double>(calls_of("cudaMalloc")), static_cast<double>(mallocs), "allocations from the cache");
  expect_equal(static_cast<double>(api.memory(0).device.cached_blocks), 0, "cached blocks when it is used again");
  expect_equal(static_cast<double>(api.memory(0).device.cached_bytes), 0, "cached bytes when it is used again");
  storage = nullptr;
  const auto other_size = api.allocate(0, 1025, stream);
  expect_equal(static_cast<double>(calls_of("cudaMalloc")), static_cast<double>(mallocs + 1), "one of another class");
  const auto large = api.allocate(0, (1 << 20) + 1, stream);
  expect_equal(static_cast<double>(api.memory(0).device.used_bytes - before.device.used_bytes), 1536 + (9 << 17),
               "an eighth is wasted at most");
  api.release_cached(0);
  expect_equal(static_cast<double>(simt::runtime().live.device_allocations), static_cast<double>(live + 2),
               "released memory is the system's");
  // Events are used again, and go with the blocks that they guarded.
  api.release_cached(0);
  const std::size_t events = simt::runtime().live.events;
  for (int turn = 0; turn < 2; ++turn) {
    const std::uint64_t made = calls_of("cudaEventCreateWithFlags");
    for (int use = 0; use < 4; ++use) {
      const auto used = api.allocate(0, 3000, stream);
      api.clear(*used, stream);
    }
    expect_equal(static_cast<double>(calls_of("cudaEventCreateWithFlags") - made), 2, "events that are made");
    fail_call("cudaEventQuery", 1, cudaErrorUnknown);
    { const auto unordered = api.allocate(0, 3000, nullptr); }
    end_faults();
    expect(cudaPeekAtLastError() == cudaSuccess, "an event that does not say has no error for others");
    api.release_cached(0);
    expect_equal(static_cast<double>(simt::runtime().live.events), static_cast<double>(events),
                 "events after their release");
  }
  // Where memory is short, what is cached goes first.
  { const auto cached = api.allocate(0, 777, stream); }
  fail_call("cudaMalloc", 1, cudaErrorMemoryAllocation);
  const auto after_all = api.allocate(0, 99999, stream);
  expect_equal(static_cast<double>(api.memory(0).device.cached_blocks), 0, "given back when memory was short");
  expect(cudaPeekAtLastError() == cudaSuccess, "and the error that was none is forgotten");
  fail_call("cudaMalloc", 1, cudaErrorMemoryAllocation);
  expect_error(
      DeviceErrorKind::kOutOfDeviceMemory, [&] { api.allocate(0, 50000, stream); }, "short, nothing cached");
  end_faults();
  { const auto cached = api.allocate(0, 777, stream); }
  fail_call("cudaMalloc", 1, cudaErrorInvalidValue);
  expect_error(
      DeviceErrorKind::kFailed, [&] { api.allocate(0, 50000, stream); }, "another error is not tried again");
  end_faults();
}

// Which block is handed out while the work of its last user has yet to run.
void blocks_that_are_in_use() {
  if (simt::settings().seed == 0) return; // all work is done at once
  const DeviceApi& api = device_api();
  const std::size_t bytes = 70000; // nobody else's size
  cudaStream_t handle = nullptr;
  cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  const auto busy = api.adopt_stream(0, handle);
  const auto other = api.create_stream(0);
  const void* block = nullptr;
  {
    const auto used = api.allocate(0, bytes, busy);
    block = used->data();
    keep_busy(handle);
    api.clear(*used, busy);
  }
  {
    const auto elsewhere = api.allocate(0, bytes, other);
    expect(elsewhere->data() != block, "another stream does not wait for it");
    const auto unordered = api.allocate(0, bytes, nullptr);
    expect(unordered->data() != block, "who names no stream does not get it");
    const auto behind = api.allocate(0, bytes, busy);
    expect(behind->data() == block, "the stream itself goes on with it");
  }
  cudaStreamSynchronize(handle);
  cudaStreamDestroy(handle);
  api.release_cached(0);
}

// Each allocation of the host fails in turn: an error or success, and the memory that work still uses stays there.
void host_memory_that_runs_out() {
  if (simt::settings().seed != 1) return; // of the orders in which work is late, one is enough
  const DeviceApi& api = device_api();
  api.release_cached(0);
  const std::size_t events = simt::runtime().live.events;
  cudaStream_t handle = nullptr;
  cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  {
    const auto stream = api.adopt_stream(0, handle);
    cudaSetDevice(1); // freeing waits for the current device: not for that of the memory
    bool ends = false;
    for (std::int64_t turn = 2; !ends; ++turn) {
      const std::int64_t nth = turn / 2;
      const bool with_another = turn % 2 != 0; // on the memory that was given back, or none
      // A size that no cache knows, so that giving it back takes memory.
      const auto step = static_cast<std::size_t>(turn);
      expect(nth < 40, "a call that takes memory for ever");
      const std::size_t bytes = (std::size_t{4096} << step / 8) + (std::size_t{512} << step / 8) * (step % 8);
      const auto kept = api.allocate(0, bytes, stream);
      api.release_cached(0);
      const DeviceMemoryReport before = api.memory(0);
      const std::size_t live = simt::runtime().live.device_allocations;
      const Bytes sent = pattern(bytes, static_cast<unsigned>(nth));
      keep_busy(handle);
      faults::arm(nth, faults::Failing::kOne);
      bool failed = false;
      try {
        {
          const auto dropped = api.allocate(0, bytes, stream);
          api.upload(*dropped, sent.data(), bytes, stream);
          const std::uint64_t copies = calls_of("cudaMemcpyAsync");
          try {
            api.copy(*kept, *dropped, bytes, stream);
          } catch (const std::bad_alloc&) {
            expect_equal(static_cast<double>(calls_of("cudaMemcpyAsync")), static_cast<double>(copies),
                         "copies that are under way when memory runs out");
            throw;
          }
        }
        if (with_another) api.allocate(0, bytes, stream); // while the copy has yet to run
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      ends = faults::disarm() == 0 && with_another;
      const DeviceMemoryReport after = api.memory(0);
      expect_equal(static_cast<double>(after.device.used_blocks), static_cast<double>(before.device.used_blocks),
                   "used blocks after memory ran out");
      expect_equal(static_cast<double>(after.device.used_bytes), static_cast<double>(before.device.used_bytes),
                   "used bytes after memory ran out");
      expect_equal(static_cast<double>(after.pinned.used_blocks), static_cast<double>(before.pinned.used_blocks),
                   "used page-locked blocks after memory ran out");
      api.release_cached(0);
      expect_equal(static_cast<double>(simt::runtime().live.device_allocations), static_cast<double>(live),
                   "allocations after memory ran out");
      if (!failed) expect(downloaded(*kept) == sent, "what was asked for is done");
    }
    cudaSetDevice(0);
  }
  cudaStreamDestroy(handle);
  api.release_cached(0);
  expect_equal(static_cast<double>(simt::runtime().live.events), static_cast<double>(events),
               "events after memory ran out");
}

// An event that there is no memory to keep for the next use is destroyed.
void events_that_cannot_be_kept() {
  device_api().release_cached(0);
  const std::size_t events = simt::runtime().live.events;
  {
    const cuda::Event event(0, 1);
    faults::arm(1, faults::Failing::kOne); // of the list of unused events, which is empty
  }
  expect_equal(static_cast<double>(faults::disarm()), 1, "allocations that failed");
  expect_equal(static_cast<double>(simt::runtime().live.events), static_cast<double>(events),
               "events after one could not be kept");
}

// ---- devices, streams, addresses

void devices() {
  const DeviceApi& api = device_api();
  expect_error(
      DeviceErrorKind::kDeviceNotFound, [&] { api.create_stream(2); }, "device 2", "devices 0 to 1");
  expect_error(
      DeviceErrorKind::kDeviceNotFound, [&] { api.create_stream(-1); }, "device -1");
  expect(cuda_info().available && cuda_info().devices.size() == 2 && cuda_info().built, "two devices are available");
  expect(cuda_info().devices[1].compute_capability == "8.0" && cuda_info().devices[1].index == 1, "and described");
  fail_call("cudaGetDeviceProperties", 2, cudaErrorInvalidValue);
  const CudaInfo failed = cuda_info();
  expect(!failed.available && failed.devices.empty() && !failed.reason.empty(), "all devices or none");
  end_faults();
  // The thread's own device is its own again.
  cudaSetDevice(1);
  const auto stream = api.create_stream(0);
  const auto storage = api.allocate(0, 4096, stream);
  api.clear(*storage, stream);
  expect_equal(static_cast<double>(downloaded(*storage)[5]), 0, "zeros on device 0");
  int device = -1;
  cudaGetDevice(&device);
  expect_equal(device, 1, "the current device");
  cudaSetDevice(0);
  const auto on_other = api.allocate(1, 4096, api.adopt_stream(1, nullptr));
  api.clear(*on_other, api.adopt_stream(1, nullptr));
  expect_equal(static_cast<double>(downloaded(*on_other)[5]), 0, "zeros on device 1");
  expect_error(
      DeviceErrorKind::kInvalidMemory, [&] { api.adopt(1, storage->data(), 16); }, "memory of device 0");
  char on_host[16];
  expect_error(
      DeviceErrorKind::kInvalidMemory, [&] { api.adopt(0, on_host, 16); }, "memory of the host");
  void* pinned = nullptr;
  cudaHostAlloc(&pinned, 16, 0);
  expect_error(
      DeviceErrorKind::kInvalidMemory, [&] { api.adopt(0, pinned, 16); }, "page-locked memory");
  cudaFreeHost(pinned);
  const auto adopted = api.adopt(0, storage->data(), 16);
  expect(adopted->data() == storage->data() && adopted->bytes() == 16, "memory of another library");
  expect(api.adopt_stream(0, nullptr) == api.adopt_stream(0, nullptr), "one default stream");
  expect(&cuda_backend(0) == &cuda_backend(0) && &cuda_backend(0) != &cuda_backend(1), "one backend for each device");
  // A machine with a single device.
  const std::vector<simt::DeviceState> both = simt::runtime().devices;
  simt::runtime().devices.resize(1);
  expect_equal(static_cast<double>(cuda_info().devices.size()), 1, "a single device");
  expect_error(
      DeviceErrorKind::kDeviceNotFound, [&] { api.create_stream(5); }, "device 5", "device 0 only");
  simt::runtime().devices = both;
}

void a_stream_that_its_owner_destroys() {
  const DeviceApi& api = device_api();
  cudaStream_t handle = nullptr;
  cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  const auto foreign = api.adopt_stream(0, handle);
  const auto kept = api.allocate(0, 6000, foreign);
  {
    const auto dropped = api.allocate(0, 6000, foreign);
    api.upload(*dropped, pattern(6000, 2).data(), 6000, foreign);
    api.copy(*kept, *dropped, 6000, foreign);
    cudaStreamDestroy(handle);
  }
  const auto stream = api.create_stream(0);
  const auto next = api.allocate(0, 6000, stream);
  api.clear(*next, stream);
  expect(downloaded(*kept) == pattern(6000, 2), "its work is done before the memory is used again");
  expect_error(
      DeviceErrorKind::kFailed, [&] { api.clear(*next, foreign); }, "a destroyed stream", "destroyed");
  expect_error(
      DeviceErrorKind::kFailed, [&] { foreign->synchronize(); }, "a destroyed stream's end");
  cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  { const auto owner = api.adopt_stream(0, handle); }
  expect(cudaStreamDestroy(handle) == cudaSuccess, "an adopted stream is its owner's");
  const std::size_t streams = simt::runtime().live.streams;
  {
    const auto own = api.create_stream(0);
    expect_equal(static_cast<double>(simt::runtime().live.streams), static_cast<double>(streams + 1), "a new stream");
  }
  expect_equal(static_cast<double>(simt::runtime().live.streams), static_cast<double>(streams), "our own is ours");
}

// Where no event can be recorded and the stream cannot be waited for, the device is.
void work_whose_end_is_not_told() {
  const DeviceApi& api = device_api();
  cudaStream_t handle = nullptr;
  cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  {
    const auto stream = api.adopt_stream(0, handle);
    const auto other = api.create_stream(0);
    const auto kept = api.allocate(0, 7000, stream);
    {
      const auto dropped = api.allocate(0, 7000, stream);
      api.upload(*dropped, pattern(7000, 3).data(), 7000, stream);
      keep_busy(handle);
      for (int i = 0; i < 2; ++i) fail_call("cudaEventRecord", 1, cudaErrorUnknown); // one after the other
      fail_call("cudaStreamSynchronize", 1, cudaErrorUnknown);
      expect_error(
          DeviceErrorKind::kFailed, [&] { api.copy(*kept, *dropped, 7000, stream); }, "a copy without an event");
      end_faults();
      expect(cudaPeekAtLastError() == cudaSuccess, "no error is left for others");
    }
    const auto next = api.allocate(0, 7000, other);
    api.clear(*next, other);
    expect(downloaded(*kept) == pattern(7000, 3), "the copy is done before its memory is used again");
  }
  cudaStreamDestroy(handle);
}

// What a call on tensors asks of the runtime, and its results.
void losses_on_the_device() {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  const auto other = api.create_stream(0);
  Problem host(5, 200, 200, 8);
  for (const Reduction reduction : {Reduction::kMean, Reduction::kWeightedMean}) {
    for (const GradientMode mode : {GradientMode::kOutOfPlace, GradientMode::kNone}) {
      host.problem.reduction = reduction;
      host.problem.gradient = mode;
      Problem reference = host;
      LossSummary expected;
      cpu_backend().compute(reference.problem, reference.outputs(), expected, nullptr);
      const std::size_t bytes = host.logits.size() * sizeof(float);
      const auto logits = api.allocate(0, bytes, stream);
      const auto gradient = api.allocate(0, bytes, other);
      const auto targets = api.allocate(0, 5 * sizeof(std::int32_t), stream);
      const auto weights = api.allocate(0, 5 * sizeof(float), stream);
      const auto loss = api.allocate(0, sizeof(float), stream);
      api.upload(*logits, host.logits.data(), bytes, stream);
      api.upload(*targets, host.targets.data(), 5 * sizeof(std::int32_t), stream);
      api.upload(*weights, host.weights.data(), 5 * sizeof(float), other);
      api.clear(*gradient, other);
      DeviceLossCall call;
      call.problem = host.problem;
      call.problem.logits = logits->data();
      call.problem.targets = static_cast<const std::int32_t*>(targets->data());
      call.problem.token_weights = static_cast<const float*>(weights->data());
      call.outputs.grad_logits = mode == GradientMode::kNone ? nullptr : gradient->data();
      call.outputs.grad_row_stride = 200;
      call.loss = static_cast<float*>(loss->data());
      call.storages = {logits, gradient, targets, weights, loss};
      const auto enqueued = api.enqueue_loss(call, stream);
      api.clear(*logits, other); // after the call
      expect_same(enqueued->wait().summary, expected);
      std::vector<float> found(host.logits.size());
      api.download(*gradient, found.data(), bytes);
      for (std::size_t i = 0; i < found.size(); ++i) {
        const float wanted = mode == GradientMode::kNone ? 0 : reference.gradient[i];
        if (std::fabs(found[i] - wanted) > 1e-6f) fail("the gradient", found[i], wanted);
      }
      const DeviceLossReport again = enqueued->wait();
      expect_equal(static_cast<double>(again.fault.row), -1, "no fault");
      const std::uint64_t before = calls();
      const std::uint64_t launches = calls_of("cudaLaunchKernelEx");
      const std::uint64_t asked = calls_of("cudaGetDevice");
      const std::uint64_t set = calls_of("cudaSetDevice");
      const auto warm = api.enqueue_loss(call, other);
      expect_equal(static_cast<double>(calls_of("cudaGetDevice") - asked), 1, "questions for the current device");
      expect_equal(static_cast<double>(calls_of("cudaSetDevice") - set), 0, "changes of the current device");
      const std::uint64_t middle = calls();
      const std::uint64_t launched = calls_of("cudaLaunchKernelEx") - launches;
      expect(middle - before <= launched + 12, "few other calls");
      expect_equal(static_cast<double>(launched),
                   reduction == Reduction::kWeightedMean && mode != GradientMode::kNone ? 4 : 3, "launches");
      warm->wait();
    }
  }
  // A fault, and a row that is not finite.
  std::vector<float> numbers(30, 1);
  numbers[11] = INFINITY;
  std::vector<std::int32_t> wrong = {0, 2, 10};
  const auto logits = api.allocate(0, 120, stream);
  const auto targets = api.allocate(0, 12, stream);
  api.upload(*logits, numbers.data(), 120, stream);
  api.upload(*targets, wrong.data(), 12, stream);
  DeviceLossCall call;
  call.problem.rows = 3;
  call.problem.vocab_size = call.problem.row_stride = 10;
  call.problem.beam_width = 2;
  call.problem.gradient = GradientMode::kNone;
  call.problem.logits = logits->data();
  call.problem.targets = static_cast<const std::int32_t*>(targets->data());
  call.storages = {logits, targets};
  const DeviceLossReport report = api.enqueue_loss(call, stream)->wait();
  expect_equal(static_cast<double>(report.fault.row), 2, "the row of the fault");
  expect_equal(static_cast<double>(report.fault.value), 10, "its value");
  expect(report.summary.non_finite_rows == std::vector<std::int64_t>({1, 2}), "rows that are not finite");
  wrong[0] = -5;
  api.upload(*targets, wrong.data(), 12, stream);
  const DeviceLossReport first = api.enqueue_loss(call, stream)->wait();
  expect_equal(static_cast<double>(first.fault.row), 0, "a fault of the first row");
  expect_equal(static_cast<double>(first.fault.value), -5, "and its value");
}

// A loss of tensors whose rows are `stride` floats apart, as on the CPU.
void expect_tensors_as_on_cpu(Problem host, int device) {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(device);
  host.problem.logits = host.logits.data();
  host.problem.targets = host.targets.data();
  host.problem.token_weights = host.weights.data();
  Problem reference = host;
  reference.problem.logits = reference.logits.data();
  LossSummary expected;
  cpu_backend().compute(reference.problem, reference.outputs(), expected, nullptr);
  const std::size_t bytes = host.logits.size() * sizeof(float);
  const std::size_t rows = host.targets.size();
  const auto logits = api.allocate(device, bytes, stream);
  const auto gradient = api.allocate(device, bytes, stream);
  const auto targets = api.allocate(device, rows * sizeof(std::int32_t), stream);
  const auto weights = api.allocate(device, rows * sizeof(float), stream);
  api.upload(*logits, host.logits.data(), bytes, stream);
  api.upload(*gradient, host.gradient.data(), bytes, stream);
  api.upload(*targets, host.targets.data(), rows * sizeof(std::int32_t), stream);
  api.upload(*weights, host.weights.data(), rows * sizeof(float), stream);
  DeviceLossCall call;
  call.problem = host.problem;
  call.problem.logits = logits->data();
  call.problem.targets = static_cast<const std::int32_t*>(targets->data());
  call.problem.token_weights = static_cast<const float*>(weights->data());
  const bool with_gradient = host.problem.gradient != GradientMode::kNone;
  call.outputs.grad_logits = with_gradient ? gradient->data() : nullptr;
  call.outputs.grad_row_stride = host.problem.row_stride;
  call.storages = {logits, gradient, targets, weights};
  expect_same(api.enqueue_loss(call, stream)->wait().summary, expected);
  api.download(*gradient, host.gradient.data(), bytes);
  for (std::size_t i = 0; i < host.gradient.size(); ++i) {
    if (std::fabs(host.gradient[i] - reference.gradient[i]) > 1e-6f) {
      fail("a gradient of tensors", host.gradient[i], reference.gradient[i]);
    }
  }
}

// Rows that are aligned and that are not; that fill the shared memory of a block to the last vector, and that do not
// fit there. Device 1 grants 48 KiB.
void rows_on_the_device() {
  const std::int64_t room = static_cast<std::int64_t>((48 * 1024 - cuda::kRowOffset) / sizeof(float));
  for (const GradientMode mode : {GradientMode::kNone, GradientMode::kOutOfPlace}) {
    for (const std::int64_t vocab_size : {std::int64_t{1500}, room / 4 * 4, room + 5}) {
      for (const std::int64_t gap : {(4 - vocab_size % 4) % 4, (5 - vocab_size % 4) % 4}) {
        Problem problem(2, vocab_size, vocab_size + gap, 12);
        problem.problem.gradient = mode;
        expect_tensors_as_on_cpu(problem, 1);
      }
    }
  }
}

std::uint64_t launches_of(const void* kernel) {
  const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
  return simt::runtime().launches[kernel];
}

// The kernels for what a problem needs, and no others: all of them would be right.
void kernels_of_a_loss() {
  // Rows with options, gradients alone, then plain rows: wide ones without a gradient and with one, narrow ones.
  const auto kernels = cuda::row_kernels<float>();
  const auto expect_launches = [&](Problem problem, std::array<std::uint64_t, cuda::kRowKernels> wanted) {
    std::array<std::uint64_t, cuda::kRowKernels> before{};
    for (std::size_t i = 0; i < kernels.size(); ++i) before[i] = launches_of(kernels[i]);
    expect_tensors_as_on_cpu(std::move(problem), 0);
    for (std::size_t i = 0; i < kernels.size(); ++i) {
      expect_equal(static_cast<double>(launches_of(kernels[i]) - before[i]), static_cast<double>(wanted[i]),
                   "launches of a kernel");
    }
  };
  for (const auto gradient : {GradientMode::kNone, GradientMode::kOutOfPlace}) {
    const std::uint64_t with = gradient != GradientMode::kNone ? 1 : 0;
    Problem wide(2, 200, 200, 13);
    wide.problem.gradient = gradient;
    expect_launches(wide, {0, 0, 1 - with, with, 0});
    Problem narrow(2, 200, 201, 13);
    narrow.problem.gradient = gradient;
    expect_launches(narrow, {0, 0, 0, 0, 1});
  }
  Problem plain(2, 200, 200, 13);
  plain.problem.gradient = GradientMode::kOutOfPlace;
  Problem weighted = plain;
  weighted.problem.reduction = Reduction::kWeightedMean;
  expect_launches(weighted, {0, 1, 1, 0, 0});
  Problem smoothed = plain;
  smoothed.problem.label_smoothing = 0.1;
  expect_launches(smoothed, {1, 0, 0, 0, 0});
}

// A row's outputs are written if any is asked for, whichever it is.
void one_output_at_a_time() {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  Problem host(3, 40, 40, 14);
  host.problem.gradient = GradientMode::kNone;
  host.problem.reduction = Reduction::kNone;
  host.problem.logits = host.logits.data();
  host.problem.targets = host.targets.data();
  host.problem.token_weights = nullptr;
  LossSummary summary;
  cpu_backend().compute(host.problem, host.outputs(), summary, nullptr);
  const std::size_t rows = host.targets.size();
  const auto logits = api.allocate(0, host.logits.size() * sizeof(float), stream);
  const auto targets = api.allocate(0, rows * sizeof(std::int32_t), stream);
  api.upload(*logits, host.logits.data(), host.logits.size() * sizeof(float), stream);
  api.upload(*targets, host.targets.data(), rows * sizeof(std::int32_t), stream);
  DeviceLossCall call;
  call.problem = host.problem;
  call.problem.logits = logits->data();
  call.problem.targets = static_cast<const std::int32_t*>(targets->data());
  const auto found_in = [&](auto LossOutputs::*output, auto found) {
    const auto values = api.allocate(0, sizeof(found[0]) * rows, stream);
    api.clear(*values, stream);
    call.outputs = {};
    call.outputs.*output = static_cast<decltype(found.data())>(values->data());
    call.storages = {logits, targets, values};
    api.enqueue_loss(call, stream)->wait();
    api.download(*values, found.data(), sizeof(found[0]) * rows);
    return found;
  };
  const auto expect_output = [&](float* LossOutputs::*output, const std::vector<float>& wanted, const char* what) {
    const std::vector<float> found = found_in(output, std::vector<float>(rows));
    for (std::size_t i = 0; i < rows; ++i) {
      if (std::fabs(found[i] - wanted[i]) > 1e-5f) fail(what, found[i], wanted[i]);
    }
  };
  expect_output(&LossOutputs::row_losses, host.row_losses, "row losses alone");
  expect_output(&LossOutputs::nll, host.nll, "nll alone");
  expect_output(&LossOutputs::log_sum_exp, host.log_sum_exp, "log_sum_exp alone");
  expect_output(&LossOutputs::threshold, host.threshold, "thresholds alone");
  expect_output(&LossOutputs::margin, host.margin, "margins alone");
  expect_output(&LossOutputs::penalty, host.penalty, "penalties alone");
  if (found_in(&LossOutputs::rank, std::vector<std::int32_t>(rows)) != host.ranks) fail("ranks alone");
}

// Whichever step of a call on tensors fails, the call does.
void tensors_with_faults() {
  const DeviceApi& api = device_api();
  const auto stream = api.create_stream(0);
  const std::vector<float> numbers(400, 1);
  const std::vector<std::int32_t> wanted = {0, 2};
  const auto logits = api.allocate(0, 1600, stream);
  const auto gradient = api.allocate(0, 1600, stream);
  const auto targets = api.allocate(0, 8, stream);
  api.upload(*logits, numbers.data(), 1600, stream);
  api.upload(*targets, wanted.data(), 8, stream);
  DeviceLossCall call;
  call.problem.rows = 2;
  call.problem.vocab_size = call.problem.row_stride = 200;
  call.problem.beam_width = 2;
  call.problem.gradient = GradientMode::kOutOfPlace;
  call.problem.reduction = Reduction::kWeightedMean;
  call.problem.logits = logits->data();
  call.problem.targets = static_cast<const std::int32_t*>(targets->data());
  call.outputs.grad_logits = gradient->data();
  call.outputs.grad_row_stride = 200;
  call.storages = {logits, gradient, targets};
  const auto expect_failure = [&](const char* function, std::uint64_t nth) {
    fail_call(function, nth, cudaErrorInvalidConfiguration);
    expect_error(
        DeviceErrorKind::kLaunchFailed, [&] { api.enqueue_loss(call, stream)->wait(); }, "a step that fails");
    end_faults();
  };
  expect_failure("cudaMemsetAsync", 1);
  for (std::uint64_t launch = 1; launch <= 4; ++launch) expect_failure("cudaLaunchKernelEx", launch);
}

struct HostCase {
  const char* name;
  void (*run)();
};
#define HOST_CASE(name) \
  {                     \
#name, name         \
  }
// The fast ones first: most mutants are found by them.
const HostCase kCases[] = {
    HOST_CASE(plans_of_launches),
    HOST_CASE(what_is_kept_of_plain_rows),
    HOST_CASE(kernels_that_suit_a_problem),
    HOST_CASE(what_a_device_grants),
    HOST_CASE(devices),
    HOST_CASE(transfers),
    HOST_CASE(transfers_with_no_more_than_they_take),
    HOST_CASE(a_download_that_nobody_waits_for),
    HOST_CASE(blocks_go_from_stream_to_stream),
    HOST_CASE(a_block_that_is_dropped_before_it_is_used),
    HOST_CASE(a_stream_that_its_owner_destroys),
    HOST_CASE(work_whose_end_is_not_told),
    HOST_CASE(staged_and_aborted),
    HOST_CASE(staged_and_aborted_on_the_way),
    HOST_CASE(staged_with_no_more_than_it_takes),
    HOST_CASE(staged_with_constraints),
    HOST_CASE(losses_on_the_device),
    HOST_CASE(blocks_that_are_in_use),
    HOST_CASE(kernels_of_a_loss),
    HOST_CASE(one_output_at_a_time),
    HOST_CASE(tensors_with_faults),
    HOST_CASE(rows_on_the_device),
    HOST_CASE(counts_of_memory),
    HOST_CASE(staged_losses),
    HOST_CASE(staged_side_by_side),
    HOST_CASE(host_memory_that_runs_out),
    HOST_CASE(events_that_cannot_be_kept),
    HOST_CASE(staged_with_faults),
    HOST_CASE(transfers_in_pieces),
};

void run_all(std::uint64_t seed) {
  for (const HostCase& each : kCases) {
    current_case = each.name;
    simt::settings().seed = seed;
    try {
      each.run();
    } catch (const std::exception& error) {
      fail(error.what());
    }
    const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
    simt::drain_device(-1);
    simt::forget_order();
    const std::vector<simt::Report> found = simt::reports();
    if (!found.empty()) fail((std::string(simt::report_kind_name(found[0].kind)) + ": " + found[0].text).c_str());
  }
}

} // namespace
} // namespace fused_bear_loss::mutation

int main(int count, char** arguments) {
  using namespace fused_bear_loss;
  // Device 1 grants little: kernels are planned for what it has.
  simt::runtime().devices[1].properties.major = 8;
  simt::runtime().devices[1].properties.refuses_large_shared = true;
  std::vector<std::uint64_t> seeds;
  for (int i = 1; i < count; ++i) seeds.push_back(std::strtoull(arguments[i], nullptr, 10));
  if (seeds.empty()) seeds = {0, 1, 2, 3};
  mutation::current_case = "no device to ask";
  mutation::expect_error(
      DeviceErrorKind::kNoDevice,
      [] {
        mutation::fail_call("cudaGetDeviceCount", 1, cudaErrorNoDevice);
        device_api().create_stream(0);
      },
      "no device");
  for (const std::uint64_t seed : seeds) mutation::run_all(seed);
  std::puts("all cases agree");
  std::fflush(stdout);
  std::_Exit(0); // as in Node, nothing is taken down
}
