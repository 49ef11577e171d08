#include "test/emulator/simt/race_detector.h"

#include <algorithm>

namespace simt {

namespace {

bool in_running_cluster(std::uint32_t block) {
  const Cluster& cluster = current_cluster();
  return block >= cluster.first_serial && block - cluster.first_serial < cluster.blocks.size();
}

// Whether everything that the block did in that epoch happened before what the running thread does now.
bool epoch_is_over(std::uint32_t block, std::uint32_t epoch) {
  const Block& own = *current_thread->block;
  if (block == own.serial) return epoch < own.epoch;
  if (!in_running_cluster(block)) return false;
  return epoch < current_cluster().blocks[block - current_cluster().first_serial].epoch_of_cluster_barrier;
}

bool lane_is_ordered(unsigned lane, std::uint32_t clock) { return clock <= current_thread->clocks[lane]; }

bool write_is_ordered(const AccessHistory& h, std::uint32_t oldest_block) {
  if (h.writer_block < oldest_block || epoch_is_over(h.writer_block, h.writer_epoch)) return true;
  const Thread& thread = *current_thread;
  if (h.writer_block != thread.block->serial || h.many_writers) return false;
  if (h.writer_thread == thread.number) return true;
  return h.writer_thread / kWarpSize == thread.warp && lane_is_ordered(h.writer_thread % kWarpSize, h.writer_clock);
}

// A reading lane that is not ordered before the running thread, or -1.
int unordered_lane(const AccessHistory& h) {
  const Thread& thread = *current_thread;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((h.reader_lanes >> lane & 1u) == 0) continue;
    if (h.reader_warp == thread.warp && (lane == thread.lane || lane_is_ordered(lane, h.reader_clock))) continue;
    return static_cast<int>(lane);
  }
  return -1;
}

bool readers_are_over(const AccessHistory& h, std::uint32_t oldest_block) {
  return h.reader_block < oldest_block || epoch_is_over(h.reader_block, h.reader_epoch);
}

Race race_with_readers(const AccessHistory& h, std::uint32_t oldest_block) {
  const Cluster& cluster = current_cluster();
  Race race;
  race.other_block = h.reader_block;
  race.other_thread = h.reader_warp * kWarpSize;
  if (h.grid_readers == cluster.first_grid_serial || h.cluster_readers == cluster.barrier_serial) {
    race.found = true;
    return race;
  }
  if (readers_are_over(h, oldest_block)) return race;
  if (h.many_readers || h.reader_block != current_thread->block->serial) {
    race.found = true;
    return race;
  }
  const int lane = unordered_lane(h);
  race.found = lane >= 0;
  if (race.found) race.other_thread = h.reader_warp * kWarpSize + static_cast<unsigned>(lane);
  return race;
}

void start_readers(AccessHistory& h) {
  const Thread& thread = *current_thread;
  h.reader_block = thread.block->serial;
  h.reader_epoch = thread.block->epoch;
  h.reader_warp = static_cast<std::uint16_t>(thread.warp);
  h.reader_clock = thread.clocks[thread.lane];
  h.reader_lanes = 1u << thread.lane;
  h.many_readers = false;
}

void enter_read(AccessHistory& h, std::uint32_t oldest_block) {
  const Thread& thread = *current_thread;
  if (readers_are_over(h, oldest_block)) {
    start_readers(h);
  } else if (h.reader_block != thread.block->serial) {
    const Cluster& cluster = current_cluster();
    if (in_running_cluster(h.reader_block)) {
      h.cluster_readers = cluster.barrier_serial;
    } else {
      h.grid_readers = cluster.first_grid_serial;
    }
    start_readers(h);
  } else if (h.reader_warp != thread.warp) {
    h.many_readers = true;
  } else if (!h.many_readers && unordered_lane(h) < 0) {
    start_readers(h); // a later write that is ordered after this read is ordered after the others too
  } else {
    h.reader_lanes |= 1u << thread.lane;
    h.reader_clock = std::max(h.reader_clock, thread.clocks[thread.lane]);
  }
}

void enter_write(AccessHistory& h, bool atomic, bool unordered) {
  const Thread& thread = *current_thread;
  h.many_writers = atomic && h.writer_atomic && unordered;
  h.writer_block = thread.block->serial;
  h.writer_epoch = thread.block->epoch;
  h.writer_clock = thread.clocks[thread.lane];
  h.writer_thread = static_cast<std::uint16_t>(thread.number);
  h.writer_atomic = atomic;
  h.reader_block = 0;
  h.reader_lanes = 0;
  h.many_readers = false;
  h.cluster_readers = h.grid_readers = 0;
}

} // namespace

Race check_access(AccessHistory& history, Access access, std::uint32_t oldest_block) {
  Race race;
  const bool ordered = write_is_ordered(history, oldest_block);
  if (!ordered && !(access == Access::kAtomic && history.writer_atomic)) {
    race = {true, true, history.writer_block, history.writer_thread};
  }
  if (access == Access::kRead) {
    enter_read(history, oldest_block);
    return race;
  }
  if (!race.found) race = race_with_readers(history, oldest_block);
  enter_write(history, access == Access::kAtomic, !ordered);
  return race;
}

} // namespace simt
