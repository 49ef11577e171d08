// The public names of the enumerated options, in enumerator order. lib/loss/options.ts holds the same lists as types;
// a test compares the two.
#pragma once

namespace fused_bear_loss {

inline constexpr const char* kDTypeNames[] = {"float32", "float16", "bfloat16"};
inline constexpr const char* kPenaltyNames[] = {"hinge", "softplus", "log-sigmoid", "sigmoid", "reweight", "none"};
inline constexpr const char* kReductionNames[] = {"mean", "sum", "none", "weighted-mean"};
inline constexpr const char* kThresholdGradientNames[] = {"detach", "flow"};
inline constexpr const char* kGradientModeNames[] = {"none", "out-of-place", "in-place", "in-place-sparse"};

} // namespace fused_bear_loss
