// How the emulator runs: set by a test before a launch.
#pragma once

#include <cstdint>

namespace simt {

struct Settings {
  // The order in which threads and blocks run. 0: round robin. Others: random, the same seed giving the same order.
  std::uint64_t seed = 0;
  // Chance in 1000 that a thread stops at an instrumented memory access for others to run. Random orders only.
  unsigned preemption_per_mille = 5;
  // Shadow memory: races, unwritten reads. Bounds and alignment are always checked.
  bool detect = true;
  // Counts of reads and writes of each element of global memory.
  bool count_traffic = false;
  // __expf, __logf and their like err by up to so many units in the last place, at random by seed.
  unsigned approximation_ulps = 0;
  // A thread that makes so many accesses without another thread having run is taken for one that waits for ever.
  std::uint64_t progress_limit = 200'000'000;
};

Settings& settings();

} // namespace simt
