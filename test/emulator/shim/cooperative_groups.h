// What the emulated build includes in place of the toolkit's <cooperative_groups.h>: the cluster group alone.
#pragma once

#include "test/emulator/simt/device_functions.h"

namespace cooperative_groups {

class cluster_group {
 public:
  // A member cannot be a macro: two of these on one line are taken for one place.
  static void sync(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    ::simt::run_cluster_barrier({file, line, -1});
  }
  static void barrier_arrive(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    ::simt::arrive_at_cluster_barrier({file, line, -1});
  }
  static void barrier_wait(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    ::simt::wait_in_cluster_barrier({file, line, -1});
  }
  static unsigned block_rank() { return ::simt::cluster_block_rank(); }
  static unsigned num_blocks() { return ::simt::cluster_block_count(); }
  template <class T>
  static T* map_shared_rank(T* address, int rank) {
    return static_cast<T*>(::simt::map_shared(address, static_cast<unsigned>(rank)));
  }
};

inline cluster_group this_cluster() { return {}; }

} // namespace cooperative_groups
