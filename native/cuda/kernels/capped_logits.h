// Scaled logits in single precision: u = capped / temperature, and 2 to the power of them.
#pragma once

#include "native/cuda/kernels/device_access.h"

namespace fused_bear_loss::cuda {

constexpr double kLog2E = 1.4426950408889634;

template <bool kSoftcap>
struct CappedLogits {
  float scale; // log2(e) / temperature
  float cap;
  float inverse_cap;

  static FBL_DEVICE CappedLogits make(const LossProblem& problem) {
    return {static_cast<float>(kLog2E / problem.temperature), static_cast<float>(problem.softcap),
            kSoftcap ? static_cast<float>(1 / problem.softcap) : 0};
  }

  // softcap(z); -infinity stays what it is, a masked token.
  FBL_DEVICE float capped(float logit) const {
    if (!kSoftcap || logit == -infinity()) return logit;
    return cap * tanhf(logit * inverse_cap);
  }

  // exp(u - u_reference), of capped logits.
  FBL_DEVICE float exponential(float capped_logit, float reference) const {
    return exp2_approximate((capped_logit - reference) * scale);
  }

  // softcap'(z).
  FBL_DEVICE float slope(float logit) const {
    if (!kSoftcap) return 1;
    // 1 - tanh^2 as 4 s / (1 + s)^2: no cancellation where the cap saturates.
    const float s = exp2_approximate(fabsf(logit * inverse_cap) * static_cast<float>(-2 * kLog2E));
    return 4 * s / ((1 + s) * (1 + s));
  }
};

} // namespace fused_bear_loss::cuda
