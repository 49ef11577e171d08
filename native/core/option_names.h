// The public names of the enumerated options, in enumerator order. lib/options/options.ts holds the same lists as
// types; a test compares the two.
#pragma once

namespace fused_bear_loss {

inline constexpr const char* kDTypeNames[] = {"float32", "float16", "bfloat16"};
inline constexpr const char* kPenaltyNames[] = {"hinge", "softplus", "log-sigmoid", "sigmoid", "reweight", "none"};
inline constexpr const char* kReductionNames[] = {"mean", "sum", "none", "weighted-mean"};
inline constexpr const char* kThresholdGradientNames[] = {"detach", "flow"};
inline constexpr const char* kGradientModeNames[] = {"none", "out-of-place", "in-place", "in-place-sparse"};

// Not options, but in the same way: DeviceErrorKind (device_error.h). lib/loss/device-errors.ts has the list.
inline constexpr const char* kDeviceErrorNames[] = {
    "not-built",
    "driver-missing",
    "driver-too-old",
    "no-device",
    "not-found",
    "out-of-device-memory",
    "out-of-pinned-memory",
    "out-of-host-memory",
    "launch-failed",
    "invalid-memory",
    "failed",
};

} // namespace fused_bear_loss
