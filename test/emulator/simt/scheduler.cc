// Runs a grid: cluster after cluster, the threads of a cluster as fibers in an order drawn from the seed.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "test/emulator/simt/grid.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"
#include "test/emulator/simt/shadow_memory.h"

namespace simt {

Settings& settings() {
  static Settings value;
  return value;
}

thread_local Thread* current_thread = nullptr;

namespace {

// Threads that can run. Round robin takes the oldest, a random order any.
class ReadyThreads {
 public:
  void clear() {
    threads_.clear();
    first_ = 0;
  }
  bool empty() const { return first_ == threads_.size(); }
  void add(Thread* thread) { threads_.push_back(thread); }
  Thread* take() {
    if (random_order()) {
      const std::size_t chosen = first_ + next_random() % (threads_.size() - first_);
      std::swap(threads_[chosen], threads_.back());
      Thread* thread = threads_.back();
      threads_.pop_back();
      return thread;
    }
    Thread* thread = threads_[first_++];
    if (first_ == threads_.size()) clear();
    if (first_ > 4096) {
      threads_.erase(threads_.begin(), threads_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    return thread;
  }

 private:
  std::vector<Thread*> threads_;
  std::size_t first_ = 0;
};

struct Scheduler {
  Cluster cluster;
  StackPool stacks;
  ReadyThreads ready;
  Context outside; // where the launch goes on once the cluster is done
  const ThreadBody* body = nullptr;
  GridOutcome outcome = GridOutcome::kCompleted;
  std::uint64_t random_state = 1;
  std::uint32_t next_serial = 1;
  std::vector<unsigned char*> shared_arrays; // one for each block of a cluster
};

Scheduler& scheduler() {
  static Scheduler value;
  return value;
}

void switch_to(Thread* thread, Context& from) {
  current_thread = thread;
  thread->accesses = 0;
  switch_context(from, thread->context);
}

std::string describe_waiting_threads(const Cluster& cluster) {
  std::string text;
  int shown = 0;
  for (const Thread& thread : cluster.threads) {
    if (thread.state == ThreadState::kExited) continue;
    if (++shown > 6) return text + " ...";
    char line[256];
    const char* where = thread.state == ThreadState::kInBarrier          ? "__syncthreads"
                        : thread.state == ThreadState::kInClusterBarrier ? "the cluster's barrier"
                                                                         : "a warp collective";
    std::snprintf(line, sizeof line, " [block %u thread %u: in %s, %s:%d]", thread.block->index.x, thread.number, where,
                  thread.site.file, thread.site.line);
    text += line;
  }
  return text;
}

// Goes on with the next thread that can run; where none can, all wait for ever.
void run_next(Context& from) {
  Scheduler& s = scheduler();
  if (s.ready.empty()) {
    report(ReportKind::kDeadlock, "%zu of %zu threads wait for ever:%s", s.cluster.threads.size() - s.cluster.exited,
           s.cluster.threads.size(), describe_waiting_threads(s.cluster).c_str());
    stop_grid(GridOutcome::kLaunchFailure);
  }
  Thread* next = s.ready.take();
  if (&next->context == &from) return; // nobody else ran: go on
  switch_to(next, from);
}

void leave_barrier_unreachable(const Thread& thread) {
  const Block& block = *thread.block;
  if (block.in_barrier > 0) {
    report(ReportKind::kBarrierAfterExit, "block %u thread %u exits while others wait in __syncthreads at %s:%d",
           block.index.x, thread.number, block.barrier_site.file, block.barrier_site.line);
    stop_grid(GridOutcome::kLaunchFailure);
  }
  const Cluster& cluster = current_cluster();
  if (cluster.in_barrier > 0) {
    report(ReportKind::kBarrierAfterExit,
           "block %u thread %u exits while others wait in the cluster's barrier at %s:%d", block.index.x, thread.number,
           cluster.barrier_site.file, cluster.barrier_site.line);
    stop_grid(GridOutcome::kLaunchFailure);
  }
  for (const CollectiveGroup& group : block.warps[thread.warp].pending) {
    if ((group.mask >> thread.lane & 1u) == 0) continue;
    report(ReportKind::kCollectiveExitedLane, "block %u warp %u: lane %u exits; %s at %s:%d waits for it (mask %08x)",
           block.index.x, thread.warp, thread.lane, collective_name(group.kind), group.site.file, group.site.line,
           group.mask);
    stop_grid(GridOutcome::kLaunchFailure);
  }
}

void thread_main() {
  Scheduler& s = scheduler();
  s.body->run();
  Thread& thread = *current_thread;
  leave_barrier_unreachable(thread);
  thread.state = ThreadState::kExited;
  thread.block->warps[thread.warp].exited |= 1u << thread.lane;
  Block& block = *thread.block;
  if (++block.exited == block.thread_count && block.remote_access == s.cluster.barrier_serial) {
    report(ReportKind::kSharedAfterExit,
           "block %u exits, and no barrier lies between that and accesses of other blocks to its shared memory",
           block.index.x);
  }
  if (++s.cluster.exited == s.cluster.threads.size()) {
    current_thread = nullptr;
    switch_context(thread.context, s.outside);
  }
  run_next(thread.context);
  std::abort(); // an exited thread is never switched to
}

// One array a block, with inaccessible pages around it, so that a stray access of host code fails as well.
unsigned char* shared_array(std::size_t rank) {
  constexpr std::size_t kGuardBytes = 64 * 1024;
  std::vector<unsigned char*>& arrays = scheduler().shared_arrays;
  while (arrays.size() <= rank) {
    const std::size_t bytes = kMaxSharedBytes + 2 * kGuardBytes;
    void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED ||
        mprotect(static_cast<char*>(memory) + kGuardBytes, kMaxSharedBytes, PROT_READ | PROT_WRITE) != 0) {
      std::perror("emulator: no memory for shared memory");
      std::abort();
    }
    arrays.push_back(static_cast<unsigned char*>(memory) + kGuardBytes);
  }
  return arrays[rank];
}

void prepare_block(Block& block, unsigned rank, uint3 index, Thread* threads, const GridShape& shape) {
  Scheduler& s = scheduler();
  const unsigned count = shape.block.x * shape.block.y * shape.block.z;
  block = Block();
  block.index = index;
  block.rank = rank;
  block.serial = s.next_serial++;
  block.threads = threads;
  block.thread_count = count;
  block.warps.resize((count + kWarpSize - 1) / kWarpSize);
  block.shared = shared_array(rank);
  start_shared_memory(rank, block.shared, shape.shared_bytes);
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = threads[i];
    thread = Thread();
    thread.block = &block;
    thread.number = i;
    thread.warp = i / kWarpSize;
    thread.lane = i % kWarpSize;
    thread.index = {i % shape.block.x, i / shape.block.x % shape.block.y, i / (shape.block.x * shape.block.y)};
    thread.stack = rank * count + i;
    thread.clocks[thread.lane] = 1;
    prepare_context(thread.context, s.stacks.stack(thread.stack), s.stacks.stack_bytes(thread.stack), thread_main);
    s.ready.add(&thread);
  }
}

// `first` is the index of the cluster's first block.
void run_cluster(const GridShape& shape, dim3 first) {
  Scheduler& s = scheduler();
  const unsigned blocks = shape.cluster.x * shape.cluster.y * shape.cluster.z;
  const unsigned threads = shape.block.x * shape.block.y * shape.block.z;
  Cluster& c = s.cluster;
  c.in_barrier = 0;
  c.exited = 0;
  ++c.barrier_serial;
  c.shape = shape.cluster;
  c.grid = shape.grid;
  c.block = shape.block;
  c.shared_bytes = shape.shared_bytes;
  c.first_serial = s.next_serial;
  c.blocks.resize(blocks);
  c.threads.resize(static_cast<std::size_t>(blocks) * threads);
  s.stacks.reserve(c.threads.size());
  s.ready.clear();
  for (unsigned rank = 0; rank < blocks; ++rank) {
    const uint3 index = {first.x + rank % shape.cluster.x, first.y + rank / shape.cluster.x % shape.cluster.y,
                         first.z + rank / (shape.cluster.x * shape.cluster.y)};
    prepare_block(c.blocks[rank], rank, index, &c.threads[static_cast<std::size_t>(rank) * threads], shape);
  }
  run_next(s.outside);
}

} // namespace

std::mutex& grid_mutex() {
  static std::mutex mutex;
  return mutex;
}

Cluster& current_cluster() { return scheduler().cluster; }
const StackPool& stacks() { return scheduler().stacks; }

bool random_order() { return settings().seed != 0; }

std::uint64_t next_random() {
  std::uint64_t& state = scheduler().random_state; // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

void make_ready(Thread& thread) {
  thread.state = ThreadState::kReady;
  scheduler().ready.add(&thread);
}

void suspend() {
  Thread& thread = *current_thread;
  run_next(thread.context);
}

void yield() {
  scheduler().ready.add(current_thread);
  suspend();
}

void stop_grid(GridOutcome outcome) {
  Scheduler& s = scheduler();
  s.outcome = outcome;
  Thread* thread = current_thread;
  current_thread = nullptr;
  Context abandoned;
  switch_context(thread != nullptr ? thread->context : abandoned, s.outside);
  std::abort(); // a stopped grid's threads are never switched to
}

GridOutcome run_grid(const GridShape& shape, const ThreadBody& body) {
  const std::lock_guard<std::mutex> lock(grid_mutex());
  Scheduler& s = scheduler();
  s.body = &body;
  s.outcome = GridOutcome::kCompleted;
  s.random_state = (settings().seed * 0x9E3779B97F4A7C15u) | 1;
  s.cluster.first_grid_serial = s.next_serial;
  const dim3 clusters(shape.grid.x / shape.cluster.x, shape.grid.y / shape.cluster.y, shape.grid.z / shape.cluster.z);
  const std::uint64_t count = static_cast<std::uint64_t>(clusters.x) * clusters.y * clusters.z;
  std::vector<std::uint32_t> order(count);
  for (std::uint64_t i = 0; i < count; ++i) order[i] = static_cast<std::uint32_t>(i);
  if (random_order()) {
    for (std::uint64_t i = count; i > 1; --i) std::swap(order[i - 1], order[next_random() % i]);
  }
  for (const std::uint32_t i : order) {
    const dim3 first(i % clusters.x * shape.cluster.x, i / clusters.x % clusters.y * shape.cluster.y,
                     i / clusters.x / clusters.y * shape.cluster.z);
    run_cluster(shape, first);
    if (s.outcome != GridOutcome::kCompleted) break;
  }
  return s.outcome;
}

} // namespace simt
