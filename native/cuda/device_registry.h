// The devices of this process and what belongs to each. Asks the driver at the first use, never earlier.
#pragma once

#include <memory>
#include <mutex>

#include "native/cuda/block_cache.h"
#include "native/cuda/launch_plan.h"
#include "native/cuda/stream.h"

namespace fused_bear_loss::cuda {

struct Device {
  explicit Device(int device_index);

  const int index;
  const DeviceProperties properties; // with the row kernels prepared for them
  BlockCache memory;
  BlockCache pinned;
  const std::shared_ptr<Stream> default_stream;

  // Where results are copied to the host, so that a copy waits for the work before it and not for what came later.
  std::shared_ptr<Stream> copy_stream();

 private:
  std::mutex mutex_;
  std::shared_ptr<Stream> copy_stream_;
};

// Throws DeviceError where there is no driver, or one that is too old, or no device.
int device_count();

// Throws DeviceError, also where no device has the index. The device stays until the process ends.
Device& device_at(int index);

} // namespace fused_bear_loss::cuda
