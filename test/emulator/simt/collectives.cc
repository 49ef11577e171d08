#include "test/emulator/simt/collectives.h"

#include <algorithm>
#include <cstring>

#include "test/emulator/simt/reports.h"

namespace simt {

const char* collective_name(CollectiveKind kind) {
  static const char* const kNames[] = {
      "__syncwarp",        "__shfl_sync",       "__shfl_xor_sync",   "__shfl_up_sync",    "__shfl_down_sync",
      "__ballot_sync",     "__any_sync",        "__all_sync",        "__match_any_sync",  "__reduce_add_sync",
      "__reduce_and_sync", "__reduce_or_sync",  "__reduce_xor_sync", "__reduce_max_sync", "__reduce_min_sync",
      "__reduce_max_sync", "__reduce_min_sync",
  };
  return kNames[static_cast<int>(kind)];
}

namespace {

constexpr std::uint64_t kPoison = 0xdeadbeefdeadbeefu;

// Shared by both barriers: nobody of this warp may be waited for elsewhere.
void check_not_awaited(const Thread& thread, const char* barrier) {
  for (const CollectiveGroup& group : thread.block->warps[thread.warp].pending) {
    if ((group.mask >> thread.lane & 1u) == 0) continue;
    report(ReportKind::kDivergentCollective,
           "block %u warp %u: lane %u waits in %s at %s:%d while %s at %s:%d waits for it (mask %08x)",
           thread.block->index.x, thread.warp, thread.lane, barrier, thread.site.file, thread.site.line,
           collective_name(group.kind), group.site.file, group.site.line, group.mask);
    stop_grid(GridOutcome::kLaunchFailure);
  }
}

void check_same_barrier(const Thread& thread, const Site& first, const char* barrier) {
  if (same_site(thread.site, first)) return;
  report(ReportKind::kDivergentBarrier, "block %u thread %u reaches %s at %s:%d while others wait in the one at %s:%d",
         thread.block->index.x, thread.number, barrier, thread.site.file, thread.site.line, first.file, first.line);
  stop_grid(GridOutcome::kLaunchFailure);
}

// Each wait has an arrival before it, and each arrival a wait behind it.
void check_arrival(const Thread& thread, const Site& site, bool expected) {
  if (thread.has_left_cluster == expected) return;
  report(ReportKind::kDivergentBarrier, "block %u thread %u has %s at the cluster's barrier before %s:%d",
         thread.block->index.x, thread.number, expected ? "not arrived" : "arrived", site.file, site.line);
  stop_grid(GridOutcome::kLaunchFailure);
}

void release_block_barrier(Block& block) {
  int count = 0;
  for (unsigned i = 0; i < block.thread_count; ++i) count += block.threads[i].operand != 0 ? 1 : 0;
  int result = count;
  if (block.barrier_kind == BarrierKind::kBlockAnd) result = count == static_cast<int>(block.thread_count) ? 1 : 0;
  if (block.barrier_kind == BarrierKind::kBlockOr) result = count > 0 ? 1 : 0;
  block.in_barrier = 0;
  ++block.epoch;
  for (Warp& warp : block.warps) warp.in_barrier = 0;
  for (unsigned i = 0; i < block.thread_count; ++i) {
    block.threads[i].result = static_cast<std::uint64_t>(result);
    make_ready(block.threads[i]);
  }
}

void release_cluster_barrier(Cluster& cluster) {
  cluster.in_barrier = 0;
  ++cluster.barrier_serial;
  for (Block& block : cluster.blocks) {
    block.epoch_of_cluster_barrier = ++block.epoch;
    for (Warp& warp : block.warps) warp.in_barrier = 0;
  }
  for (Thread& thread : cluster.threads) make_ready(thread);
}

// What happened before in any lane of the mask has happened before for all of them.
void synchronise_clocks(Thread* lanes, unsigned mask) {
  std::uint32_t latest[kWarpSize] = {};
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    for (unsigned other = 0; other < kWarpSize; ++other) {
      latest[other] = std::max(latest[other], lanes[lane].clocks[other]);
    }
  }
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    std::memcpy(lanes[lane].clocks, latest, sizeof latest);
    ++lanes[lane].clocks[lane];
  }
}

std::uint64_t reduce(CollectiveKind kind, const Thread* lanes, unsigned mask) {
  bool first = true;
  std::uint32_t result = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    const auto value = static_cast<std::uint32_t>(lanes[lane].operand);
    const auto as_signed = [](std::uint32_t bits) { return static_cast<std::int32_t>(bits); };
    if (first) {
      result = value;
      first = false;
      continue;
    }
    switch (kind) {
      case CollectiveKind::kReduceAdd:
        result += value;
        break;
      case CollectiveKind::kReduceAnd:
        result &= value;
        break;
      case CollectiveKind::kReduceOr:
        result |= value;
        break;
      case CollectiveKind::kReduceXor:
        result ^= value;
        break;
      case CollectiveKind::kReduceMaxUnsigned:
        result = std::max(result, value);
        break;
      case CollectiveKind::kReduceMinUnsigned:
        result = std::min(result, value);
        break;
      case CollectiveKind::kReduceMaxSigned:
        result = as_signed(value) > as_signed(result) ? value : result;
        break;
      default:
        result = as_signed(value) < as_signed(result) ? value : result;
        break;
    }
  }
  return result;
}

// The lane that a shuffle reads from.
unsigned source_lane(CollectiveKind kind, const Thread& thread) {
  const int lane = static_cast<int>(thread.lane);
  const int width = thread.width;
  const int segment = lane & ~(width - 1);
  const int within = lane & (width - 1);
  int source = lane;
  switch (kind) {
    case CollectiveKind::kShuffleIndex:
      return static_cast<unsigned>(segment | (thread.argument & (width - 1)));
    case CollectiveKind::kShuffleXor:
      source = lane ^ thread.argument;
      return static_cast<unsigned>(source >= segment + width ? lane : source);
    case CollectiveKind::kShuffleUp:
      return static_cast<unsigned>(within - thread.argument >= 0 ? lane - thread.argument : lane);
    default:
      return static_cast<unsigned>(within + thread.argument < width ? lane + thread.argument : lane);
  }
}

std::uint64_t shuffle(CollectiveKind kind, const Thread* lanes, const Thread& thread, unsigned mask) {
  const unsigned source = source_lane(kind, thread) % kWarpSize;
  if ((mask >> source & 1u) != 0) return lanes[source].operand;
  report(ReportKind::kShuffleInactiveLane, "block %u warp %u: %s at %s:%d: lane %u reads lane %u, not in mask %08x",
         thread.block->index.x, thread.warp, collective_name(kind), thread.site.file, thread.site.line, thread.lane,
         source, mask);
  return kPoison;
}

void complete_collective(Thread* lanes, CollectiveKind kind, unsigned mask) {
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) != 0 && lanes[lane].operand != 0) ballot |= 1u << lane;
  }
  const std::uint64_t reduction = kind >= CollectiveKind::kReduceAdd ? reduce(kind, lanes, mask) : 0;
  if (kind == CollectiveKind::kSyncWarp) synchronise_clocks(lanes, mask);
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    Thread& thread = lanes[lane];
    switch (kind) {
      case CollectiveKind::kSyncWarp:
        break;
      case CollectiveKind::kShuffleIndex:
      case CollectiveKind::kShuffleXor:
      case CollectiveKind::kShuffleUp:
      case CollectiveKind::kShuffleDown:
        thread.result = shuffle(kind, lanes, thread, mask);
        break;
      case CollectiveKind::kBallot:
        thread.result = ballot;
        break;
      case CollectiveKind::kAny:
        thread.result = ballot != 0 ? 1 : 0;
        break;
      case CollectiveKind::kAll:
        thread.result = ballot == mask ? 1 : 0;
        break;
      case CollectiveKind::kMatchAny:
        thread.result = 0;
        for (unsigned other = 0; other < kWarpSize; ++other) {
          if ((mask >> other & 1u) != 0 && lanes[other].operand == thread.operand) thread.result |= 1u << other;
        }
        break;
      default:
        thread.result = reduction;
        break;
    }
  }
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) != 0) make_ready(lanes[lane]);
  }
}

void check_mask(const Thread& thread, const Warp& warp, CollectiveKind kind, unsigned mask) {
  const Block& block = *thread.block;
  const unsigned lanes = std::min(kWarpSize, block.thread_count - thread.warp * kWarpSize);
  const unsigned existing = lanes == kWarpSize ? ~0u : (1u << lanes) - 1;
  const char* fault = nullptr;
  ReportKind report_kind = ReportKind::kCollectiveMask;
  if ((mask >> thread.lane & 1u) == 0) {
    fault = "the caller is not in the mask";
  } else if ((mask & ~existing) != 0) {
    fault = "the mask names lanes beyond the block";
  } else if ((mask & warp.exited) != 0) {
    fault = "the mask names lanes that have exited";
    report_kind = ReportKind::kCollectiveExitedLane;
  } else if ((mask & warp.in_barrier) != 0) {
    fault = "the mask names lanes that wait in a barrier";
    report_kind = ReportKind::kDivergentCollective;
  }
  if (fault == nullptr) return;
  report(report_kind, "block %u warp %u lane %u: %s at %s:%d with mask %08x: %s", block.index.x, thread.warp,
         thread.lane, collective_name(kind), thread.site.file, thread.site.line, mask, fault);
  stop_grid(GridOutcome::kLaunchFailure);
}

// The group that this lane joins, made if it is the first.
CollectiveGroup& join_group(const Thread& thread, Warp& warp, CollectiveKind kind, unsigned mask) {
  for (CollectiveGroup& group : warp.pending) {
    if ((group.mask & mask) == 0) continue;
    if (group.kind == kind && group.mask == mask && same_site(group.site, thread.site)) return group;
    report(ReportKind::kDivergentCollective,
           "block %u warp %u: lane %u in %s at %s:%d mask %08x, others in %s at %s:%d mask %08x", thread.block->index.x,
           thread.warp, thread.lane, collective_name(kind), thread.site.file, thread.site.line, mask,
           collective_name(group.kind), group.site.file, group.site.line, group.mask);
    stop_grid(GridOutcome::kLaunchFailure);
  }
  warp.pending.push_back({kind, mask, 0, thread.site});
  return warp.pending.back();
}

} // namespace

int run_barrier(BarrierKind kind, bool predicate, Site site) {
  Thread& thread = *current_thread;
  Block& block = *thread.block;
  thread.site = site;
  check_not_awaited(thread, "__syncthreads");
  if (block.exited > 0) {
    report(ReportKind::kBarrierAfterExit,
           "block %u thread %u waits in __syncthreads at %s:%d, but %u threads have exited", block.index.x,
           thread.number, site.file, site.line, block.exited);
    stop_grid(GridOutcome::kLaunchFailure);
  }
  if (block.in_barrier == 0) {
    block.barrier_kind = kind;
    block.barrier_site = site;
  }
  check_same_barrier(thread, block.barrier_site, "__syncthreads");
  thread.state = ThreadState::kInBarrier;
  thread.operand = predicate ? 1 : 0;
  block.warps[thread.warp].in_barrier |= 1u << thread.lane;
  if (++block.in_barrier == block.thread_count) release_block_barrier(block);
  suspend();
  return static_cast<int>(thread.result);
}

void run_cluster_barrier(Site site) {
  Thread& thread = *current_thread;
  Cluster& cluster = current_cluster();
  thread.site = site;
  check_arrival(thread, site, false);
  check_not_awaited(thread, "the cluster's barrier");
  if (cluster.exited > 0) {
    report(ReportKind::kBarrierAfterExit,
           "block %u thread %u waits in the cluster's barrier at %s:%d, but %u threads have exited",
           thread.block->index.x, thread.number, site.file, site.line, cluster.exited);
    stop_grid(GridOutcome::kLaunchFailure);
  }
  if (cluster.in_barrier == 0) cluster.barrier_site = site;
  check_same_barrier(thread, cluster.barrier_site, "the cluster's barrier");
  thread.state = ThreadState::kInClusterBarrier;
  thread.block->warps[thread.warp].in_barrier |= 1u << thread.lane;
  if (++cluster.in_barrier == cluster.threads.size()) release_cluster_barrier(cluster);
  suspend();
}

void arrive_at_cluster_barrier(Site site) {
  Thread& thread = *current_thread;
  check_arrival(thread, site, false);
  thread.has_left_cluster = true;
}

void wait_in_cluster_barrier(Site site) {
  Thread& thread = *current_thread;
  check_arrival(thread, site, true);
  thread.has_left_cluster = false;
  run_cluster_barrier(site);
}

std::uint64_t run_collective(CollectiveKind kind, unsigned mask, std::uint64_t operand, int argument, int width,
                             Site site) {
  Thread& thread = *current_thread;
  Warp& warp = thread.block->warps[thread.warp];
  thread.site = site;
  check_mask(thread, warp, kind, mask);
  CollectiveGroup& group = join_group(thread, warp, kind, mask);
  thread.operand = operand;
  thread.argument = argument;
  thread.width = width;
  thread.state = ThreadState::kInCollective;
  group.arrived |= 1u << thread.lane;
  if (group.arrived == mask) {
    warp.pending.erase(warp.pending.begin() + (&group - warp.pending.data()));
    complete_collective(&thread.block->threads[thread.warp * kWarpSize], kind, mask);
  }
  suspend();
  return thread.result;
}

} // namespace simt
