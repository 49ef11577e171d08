// The enumerated options: enumerators, and the public names in the same order, as names cross to JavaScript by
// position. lib/options/options.ts holds the same lists as types; a test compares the two.
#pragma once

#include <cstdint>

namespace fused_bear_loss {

enum class Penalty : std::int32_t { kHinge, kSoftplus, kLogSigmoid, kSigmoid, kReweight, kNone };
inline constexpr const char* kPenaltyNames[] = {"hinge", "softplus", "log-sigmoid", "sigmoid", "reweight", "none"};

enum class Reduction : std::int32_t { kMean, kSum, kNone, kWeightedMean };
inline constexpr const char* kReductionNames[] = {"mean", "sum", "none", "weighted-mean"};

enum class ThresholdGradient : std::int32_t { kDetach, kFlow };
inline constexpr const char* kThresholdGradientNames[] = {"detach", "flow"};

enum class GradientMode : std::int32_t { kNone, kOutOfPlace, kInPlace, kInPlaceSparse, kSparse };
inline constexpr const char* kGradientModeNames[] = {"none", "out-of-place", "in-place", "in-place-sparse", "sparse"};

// Of DType (logit_rows.h).
inline constexpr const char* kDTypeNames[] = {"float32", "float16", "bfloat16"};

// Not options, but in the same way: ProblemError (validate_problem.h), whose names are those of NativeFault in
// lib/native/binding.ts,
inline constexpr const char* kFaultNames[] = {
    "none",
    "target-out-of-range",
    "target-not-allowed",
    "allowed-offsets-not-ascending",
    "allowed-offsets-range",
    "allowed-tokens-not-ascending",
    "allowed-token-out-of-range",
    "allowed-row-empty",
};

// and DeviceErrorKind (device_error.h). lib/loss/device-errors.ts has the list.
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
