// What threads do together: barriers, votes, shuffles. Each call returns once all threads that it names have arrived.
#pragma once

#include <cstdint>

#include "test/emulator/simt/grid.h"

namespace simt {

// Returns the barrier's reduction of the predicates.
int run_barrier(BarrierKind kind, bool predicate, Site site);
void run_cluster_barrier(Site site);
// The barrier's two halves. The thread goes on after the first, but leaves the other blocks' memory alone.
void arrive_at_cluster_barrier(Site site);
void wait_in_cluster_barrier(Site site);

// `argument` and `width` as the shuffles take them.
std::uint64_t run_collective(CollectiveKind kind, unsigned mask, std::uint64_t operand, int argument, int width,
                             Site site);

} // namespace simt
