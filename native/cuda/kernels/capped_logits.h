// Scaled logits in single precision: u = capped / temperature, and 2 to the power of them.
#pragma once

#include "native/cuda/kernels/device_access.h"
#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/row_view.h"

namespace fused_bear_loss::cuda {

struct CappedLogits : LogitScaling {
  FBL_DEVICE explicit CappedLogits(const LogitScaling& scaling) : LogitScaling(scaling) {}

  // softcap(z); -infinity stays what it is, a masked token.
  FBL_DEVICE float capped(float logit) const {
    if (cap == 0 || logit == -infinity()) return logit;
    return cap * tanhf(logit * inverse_cap);
  }

  // In rolled loops: the functions behind are long, and few models have a cap.
  template <int kCount>
  FBL_DEVICE void cap_all(float (&logits)[kCount]) const {
#pragma unroll 1
    for (int e = 0; e < kCount; ++e) rotate(logits, capped(logits[0]));
  }
  template <int kCount>
  FBL_DEVICE void multiply_by_slopes(float (&logits)[kCount], float (&values)[kCount]) const {
#pragma unroll 1
    for (int e = 0; e < kCount; ++e) {
      rotate(values, values[0] * slope(logits[0]));
      rotate(logits, logits[0]);
    }
  }

  // exp(u - u_reference), of capped logits.
  FBL_DEVICE float exponential(float capped_logit, float reference) const {
    return exp2_approximate((capped_logit - reference) * scale);
  }

  FBL_DEVICE bool has_cap() const { return cap != 0; }

  // softcap'(z), where there is a cap.
  FBL_DEVICE float slope(float logit) const {
    // 1 - tanh^2 as 4 s / (1 + s)^2: no cancellation where the cap saturates.
    // s = exp(-2 |z / c|).
    const float s = exp2_approximate(fabsf(logit * inverse_cap) * -2.8853900817779268f);
    return 4 * s / ((1 + s) * (1 + s));
  }
};

} // namespace fused_bear_loss::cuda
