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
  bool refuses_to_opt_in = false;
  std::size_t shared_bytes_without_asking = 0; // per block

  std::size_t granted_shared_bytes() const {
    return refuses_to_opt_in ? shared_bytes_without_asking : shared_bytes_per_block;
  }
};
DeviceProperties device_properties_of(const cudaDeviceProp& properties);

// Whether a kernel can begin while the one before it ends.
bool overlaps_kernels(const DeviceProperties& properties);

// Whether passes without gradients have a kernel of their own, for rows whose vectors are aligned. Older devices do
// without, for the size of the package.
bool has_forward_kernels(const DeviceProperties& properties);

// Where a row waits between its sweep and its gradient.
enum class Residency {
  kShared, // in the shared memory of its block
  kGlobal, // nowhere: it is read a second time
};

struct LaunchPlan {
  Residency residency = Residency::kShared;
  int threads = 0;               // of a block
  std::int64_t row_capacity = 0; // 16-byte vectors of a row that a block keeps in shared memory, all or none of them
  std::int64_t room = 0;         // vectors that a block may keep, of rows that are read again; else 0
  std::size_t shared_bytes = 0;  // dynamic shared memory of a block
};

// Of the kernel that sweeps rows. The threads depend on vocabulary, dtype and beam width alone, so that a loss is the
// same bit for bit with and without its gradient, on every device.
LaunchPlan plan_rows(const LossProblem& problem, const DeviceProperties& properties);

// Whether the fast kernel for rows without options can do it.
bool is_plain(const LossProblem& problem, const LossOutputs& outputs, const LaunchPlan& plan);

// Whether some vector of a logit or gradient row is not aligned to 16 bytes.
bool is_narrow(const LossProblem& problem, const LossOutputs& outputs);

// What the fast kernel keeps of a row, at its beginning: all of it, or as many tiles as there is room for. Narrow rows
// are kept as a whole or not at all, and then need shared memory for one tile.
struct PlainRows {
  std::int64_t kept_vectors = 0;
  std::size_t shared_bytes = 0; // dynamic shared memory of a block
};
PlainRows plan_plain_rows(const LaunchPlan& plan, bool narrow);

} // namespace fused_bear_loss::cuda
