#include "benchmarks/native/floor_runner.h"

#include <algorithm>
#include <atomic>

#include "benchmarks/native/stopwatch.h"
#include "native/cpu/thread_pool.h"

namespace fused_bear_loss {
namespace {

// Floats that a thread takes at a time. Of 16 KiB, 64 KiB, 256 KiB and 1 MiB the last was fastest with 2 threads on
// Zen 4 (the first cost 40%); half of it shares better among many threads.
constexpr std::size_t kShare = std::size_t{512} * 1024 / sizeof(float);

// The compiler must not find out that nobody needs the sum.
std::atomic<double> last_sum;

void run_share(const FloorRun& run, const FloorLoops& loops, std::size_t begin, std::size_t count) {
  switch (run.operation) {
    case FloorOperation::kRead:
      last_sum.store(loops.read(run.values + begin, count), std::memory_order_relaxed);
      return;
    case FloorOperation::kWrite:
      loops.write(run.values + begin, run.output + begin, count, run.factor);
      return;
    case FloorOperation::kInPlace:
      loops.in_place(run.values + begin, count, run.factor);
      return;
  }
}

} // namespace

double run_floor(const FloorRun& run) {
  const FloorLoops& loops = floor_loops(run.variant);
  const Stopwatch stopwatch;
  if (run.threads <= 1) {
    run_share(run, loops, 0, run.count);
    return stopwatch.milliseconds();
  }
  std::atomic<std::size_t> next{0};
  const auto take_shares = [&] {
    while (true) {
      const std::size_t begin = next.fetch_add(kShare, std::memory_order_relaxed);
      if (begin >= run.count) return;
      run_share(run, loops, begin, std::min(kShare, run.count - begin));
    }
  };
  run_in_parallel(run.threads, take_shares, take_shares);
  return stopwatch.milliseconds();
}

} // namespace fused_bear_loss
