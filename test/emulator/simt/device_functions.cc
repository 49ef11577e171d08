#include "test/emulator/simt/device_functions.h"

#include "test/emulator/simt/settings.h"

namespace simt {

uint3 thread_index() { return current_thread->index; }
uint3 block_index() { return current_thread->block->index; }
dim3 block_dimensions() { return current_cluster().block; }
dim3 grid_dimensions() { return current_cluster().grid; }
unsigned cluster_block_rank() { return current_thread->block->rank; }
unsigned cluster_block_count() { return static_cast<unsigned>(current_cluster().blocks.size()); }
void* dynamic_shared() { return current_thread->block->shared; }

float approximate(float exact) {
  const unsigned ulps = settings().approximation_ulps;
  if (ulps == 0 || !std::isfinite(exact) || exact == 0) return exact;
  // By value and seed, not by call: the hardware errs the same way each time.
  std::uint64_t hash = (__float_as_uint(exact) + settings().seed * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
  hash ^= hash >> 32;
  const int error = static_cast<int>(hash % (2 * ulps + 1)) - static_cast<int>(ulps);
  const float moved = __int_as_float(__float_as_int(exact) + error);
  return std::isfinite(moved) ? moved : exact;
}

} // namespace simt
