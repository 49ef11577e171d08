// What the exponentials of the simd_*.h headers share.
#pragma once

namespace fused_bear_loss {

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLowestExponent = -126; // of a normal float

} // namespace fused_bear_loss
