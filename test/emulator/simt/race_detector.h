// Who wrote and read a piece of memory last, and whether that happened before the access at hand.
//
// Two accesses of different threads, one of them a write, are ordered if a __syncthreads lies between them (same
// block), a __syncwarp of both lanes (same warp), a barrier of the cluster (same cluster), or a launch. Shuffles and
// votes order nothing. Two atomic operations never race.
#pragma once

#include <cstdint>
#include <memory>

#include "test/emulator/simt/grid.h"
#include "test/emulator/simt/shadow_memory.h"

namespace simt {

// The history of some bytes that have always been accessed together. Blocks are named by their serial numbers, 0: none.
struct AccessHistory {
  std::uint32_t writer_block = 0;
  std::uint32_t writer_epoch = 0;
  std::uint32_t writer_clock = 0;
  std::uint16_t writer_thread = 0;
  bool writer_atomic = false;
  bool many_writers = false; // atomic ones, in this epoch, unordered among each other

  // The readers since the last write: some lanes of one warp, or more than that.
  bool many_readers = false; // of several warps, in this epoch
  std::uint16_t reader_warp = 0;
  std::uint32_t reader_block = 0;
  std::uint32_t reader_epoch = 0;
  std::uint32_t reader_clock = 0; // the latest of the lanes'
  std::uint32_t reader_lanes = 0;
  // Unordered readers of several blocks: when that was, in barriers of clusters and in grids.
  std::uint32_t cluster_readers = 0;
  std::uint32_t grid_readers = 0;
};

// A race that the access completes.
struct Race {
  bool found = false;
  bool with_write = false;
  std::uint32_t other_block = 0; // serial
  unsigned other_thread = 0;     // the writer, or a lane of the reading warp
};

// Checks the running thread's access against the history, then enters it. Blocks before `oldest_block` do not count.
Race check_access(AccessHistory& history, Access access, std::uint32_t oldest_block);

} // namespace simt
