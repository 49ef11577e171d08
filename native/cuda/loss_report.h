// What a call's workspace says once the device is done with it.
#pragma once

#include "native/core/device_api.h"
#include "native/cuda/device_storage.h"

namespace fused_bear_loss::cuda {

// Waits for the work that was announced to the workspace's memory.
DeviceLossReport read_report(const Storage& workspace, std::int64_t rows);

} // namespace fused_bear_loss::cuda
