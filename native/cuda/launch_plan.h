// Which geometry a problem is launched with on a device: a pure function, without a call of CUDA.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "native/core/loss_problem.h"

namespace fused_bear_loss::cuda {

// What the plan needs to know of a device.
struct DeviceProperties {
  int compute_major = 0;
  std::size_t shared_bytes_per_block = 0; // the most that a kernel may opt in for
  std::size_t shared_bytes_per_multiprocessor = 0;
  // What the device grants of that, asked once. No sum depends on it.
  int max_cluster_size = 8;
  bool refuses_to_opt_in = false;
  std::size_t shared_bytes_without_asking = 0; // per block

  std::size_t granted_shared_bytes() const {
    return refuses_to_opt_in ? shared_bytes_without_asking : shared_bytes_per_block;
  }
};
DeviceProperties device_properties_of(const cudaDeviceProp& properties);

// Where a row waits between its sweep and its gradient.
enum class Residency {
  kShared,  // in the shared memory of one block
  kCluster, // in the shared memory of the blocks of a cluster
  kGlobal,  // nowhere: it is read a second time, from the second-level cache at best
};

struct LaunchPlan {
  Residency residency = Residency::kShared;
  int threads = 0;      // of a block
  int slices = 1;       // of a row, whose sums are taken apart: as many as its cluster has blocks, or would have
  int cluster_size = 1; // blocks that share a row: `slices`, or 1
  std::int64_t row_capacity = 0; // 16-byte vectors of a row that a block keeps in shared memory
  std::size_t shared_bytes = 0;  // dynamic shared memory of a block
};

// Of the kernel that sweeps rows. Threads and slices depend on vocabulary, dtype, beam width and what the device is,
// and not on what it grants, so that a loss is the same bit for bit with and without its gradient, and without
// clusters.
LaunchPlan plan_rows(const LossProblem& problem, const DeviceProperties& properties);

// Whether the fast kernel for rows without options can do it.
bool is_plain(const LossProblem& problem, const LossOutputs& outputs, const LaunchPlan& plan);

// Whether some vector of a logit or gradient row is not aligned to 16 bytes.
bool is_narrow(const LossProblem& problem, const LossOutputs& outputs);

// What narrow rows that are not kept need of a block's shared memory.
std::size_t narrow_tile_bytes(const LaunchPlan& plan);

} // namespace fused_bear_loss::cuda
