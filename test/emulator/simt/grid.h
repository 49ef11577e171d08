// The state of a grid that runs: threads, blocks, and the cluster of blocks that is alive. Clusters run one after
// another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "test/emulator/simt/fiber.h"
#include "test/emulator/simt/thread_body.h"
#include "test/emulator/simt/vector_types.h"

namespace simt {

constexpr unsigned kWarpSize = 32;

// A place in the source that threads are to reach together. `occurrence` tells two of them on one line apart.
struct Site {
  const char* file;
  int line;
  int occurrence;
};
inline bool same_site(const Site& a, const Site& b) { return a.occurrence == b.occurrence && a.line == b.line; }

enum class CollectiveKind : std::uint8_t {
  kSyncWarp,
  kShuffleIndex,
  kShuffleXor,
  kShuffleUp,
  kShuffleDown,
  kBallot,
  kAny,
  kAll,
  kMatchAny,
  kReduceAdd,
  kReduceAnd,
  kReduceOr,
  kReduceXor,
  kReduceMaxUnsigned,
  kReduceMinUnsigned,
  kReduceMaxSigned,
  kReduceMinSigned,
};
const char* collective_name(CollectiveKind kind);

enum class BarrierKind : std::uint8_t { kBlock, kBlockCount, kBlockAnd, kBlockOr, kCluster };

enum class ThreadState : std::uint8_t { kReady, kInBarrier, kInClusterBarrier, kInCollective, kExited };

struct Block;

struct Thread {
  Context context;
  Block* block = nullptr;
  uint3 index = {0, 0, 0};
  unsigned number = 0; // in the block
  unsigned warp = 0;
  unsigned lane = 0;
  std::size_t stack = 0;
  ThreadState state = ThreadState::kReady;
  // Where it waits, and what it brought along and takes away.
  Site site = {"", 0, 0};
  std::uint64_t operand = 0;
  int argument = 0;
  int width = 0;
  std::uint64_t result = 0;
  // Happens-before within the warp: clocks[l] is the time of lane l that this lane has synchronised with.
  std::uint32_t clocks[kWarpSize] = {};
  std::uint64_t accesses = 0;    // since it was last switched to
  bool has_left_cluster = false; // has arrived at the cluster's barrier, and does not wait in it yet
};

// Lanes of one warp that meet at one collective.
struct CollectiveGroup {
  CollectiveKind kind;
  unsigned mask;
  unsigned arrived;
  Site site;
};

struct Warp {
  std::vector<CollectiveGroup> pending;
  unsigned exited = 0;
  unsigned in_barrier = 0;
};

struct Block {
  uint3 index = {0, 0, 0};
  unsigned rank = 0;        // in the cluster
  std::uint32_t serial = 0; // counts all blocks ever run
  Thread* threads = nullptr;
  unsigned thread_count = 0;
  unsigned exited = 0;
  std::vector<Warp> warps;
  unsigned in_barrier = 0;
  BarrierKind barrier_kind = BarrierKind::kBlock;
  Site barrier_site = {"", 0, 0};
  // Counts the block's barriers. What happened at an earlier epoch happened before.
  std::uint32_t epoch = 1;
  std::uint32_t epoch_of_cluster_barrier = 0; // `epoch` after the last one
  unsigned char* shared = nullptr;
  std::uint32_t remote_access = 0; // `barrier_serial` when another block of the cluster touched `shared` last
};

// How one launch is laid out.
struct GridShape {
  dim3 grid;
  dim3 block;
  dim3 cluster;
  std::size_t shared_bytes;
};

enum class GridOutcome { kCompleted, kIllegalAddress, kLaunchFailure };

// Runs `body` in every thread of the grid. Anything but kCompleted means that a detector stopped the grid
// half way; the reports say why. One grid runs at a time in a process.
GridOutcome run_grid(const GridShape& shape, const ThreadBody& body);

// The rest is for the emulator's own files.

struct Cluster {
  dim3 shape;
  std::vector<Block> blocks;
  std::vector<Thread> threads;
  unsigned in_barrier = 0;
  Site barrier_site = {"", 0, 0};
  unsigned exited = 0;
  std::size_t shared_bytes = 0;
  std::uint32_t first_serial = 0;      // of the cluster
  std::uint32_t first_grid_serial = 0; // of the grid
  std::uint32_t barrier_serial = 1;    // counts all clusters' barriers ever passed, and all clusters
  dim3 grid;
  dim3 block;
};

// Held while a grid runs, and by whoever changes what a grid may touch.
std::mutex& grid_mutex();

// Null outside of a kernel.
extern thread_local Thread* current_thread __attribute__((tls_model("initial-exec")));
Cluster& current_cluster();
const StackPool& stacks();

void make_ready(Thread& thread);
// Lets others run until this thread is ready again.
void suspend();
// Lets others run; this thread stays ready.
void yield();
// Gives the grid up. Does not return.
[[noreturn]] void stop_grid(GridOutcome outcome);

std::uint64_t next_random();
bool random_order();

} // namespace simt
