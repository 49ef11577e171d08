// Sums of exponentials in single precision, with one fused multiply-add and one exponential for each logit.
#pragma once

#include "native/cuda/kernels/device_access.h"
#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {

// Up to here a rounded exponent is within 2^-11 of the product that it stands for.
constexpr float kMaxBaseExponent = 8192;

// 2^(scale (x - reference) - exponent) is what an ExponentBase makes of x. Where scale times the logit that it was
// taken from is a moderate number, `exponent` is that product, rounded, and `reference` is 0: a fused multiply-add then
// rounds x's exponent once. What rounding did to the base is known exactly, see excess(). Far from 0 the difference is
// taken first.
FBL_DEVICE bool is_near(const ExponentBase& base) { return base.reference == 0; }
FBL_DEVICE float near_exponent(const ExponentBase& base, float x, float scale) {
  return fmaf(x, scale, -base.exponent);
}
FBL_DEVICE float exponent_of(const ExponentBase& base, float x, float scale) {
  return fmaf(x - base.reference, scale, -base.exponent);
}

FBL_DEVICE ExponentBase exponent_base(float logit, float scale) {
  const float exponent = logit * scale;
  const bool near = fabsf(exponent) <= kMaxBaseExponent;
  return {near ? 0 : logit, near ? exponent : 0};
}

// scale logit minus what exponent_base(logit, scale) stands for; no rounding, as a product's error is a float.
FBL_DEVICE float excess(const ExponentBase& base, float logit, float scale) {
  return is_near(base) ? fmaf(logit, scale, -base.exponent) : 0;
}

// 2^x for |x| <= 2^-11, to 1e-11.
FBL_DEVICE double exp2_of_small(float x) {
  const double y = static_cast<double>(x) * 0.6931471805599453;
  return 1 + y * (1 + y * 0.5);
}

// A thread's sum over its share of a row. Which vectors are added together, and in which order, is the same wherever it
// is used: the results are the same bit for bit with every option that leaves them the same numbers.
class ExponentialSum {
 public:
  FBL_DEVICE ExponentialSum(float scale, float slack) : scale_(scale), slack_(slack) {}

  // A larger logit needs move_base() first.
  FBL_DEVICE float limit() const { return limit_; }
  FBL_DEVICE bool has_near_base() const { return is_near(base_); }
  // What is not larger may be added by add_near() at once.
  FBL_DEVICE float near_limit() const { return has_near_base() ? limit_ : -infinity(); }

  FBL_DEVICE void move_base(float logit) {
    const ExponentBase old = base_;
    base_ = exponent_base(logit, scale_);
    limit_ = logit + slack_;
    // A sum of 0 has nothing to be rescaled, and the first base no finite ratio to none. A NaN stays.
    if (sum_ != 0) {
      sum_ *= exp2_approximate(fmaf(old.reference - base_.reference, scale_, old.exponent - base_.exponent));
    }
  }

  // None above the limit, and has_near_base().
  template <int kCount>
  FBL_DEVICE void add_near(const float (&logits)[kCount]) {
    add_exponentials<kCount>([&](int e) { return near_exponent(base_, logits[e], scale_); });
  }
  // None above the limit. The same as add_near() where both can be used.
  template <int kCount>
  FBL_DEVICE void add(const float (&logits)[kCount]) {
    add_exponentials<kCount>([&](int e) { return exponent_of(base_, logits[e], scale_); });
  }

  // Relative to a logit that is not smaller than any which was added.
  FBL_DEVICE float relative_to(float logit) const {
    if (sum_ == 0) return 0;
    return sum_ * exp2_approximate(fmaf(base_.reference - logit, scale_, base_.exponent));
  }

 private:
  template <int kCount, class Exponent>
  FBL_DEVICE void add_exponentials(const Exponent& exponent) {
    float even = exp2_approximate(exponent(0));
    float odd = exp2_approximate(exponent(1));
#pragma unroll
    for (int e = 2; e < kCount; e += 2) {
      even += exp2_approximate(exponent(e));
      odd += exp2_approximate(exponent(e + 1));
    }
    sum_ += even + odd;
  }

  const float scale_;
  const float slack_;
  ExponentBase base_ = {0, 0};
  float limit_ = -infinity();
  float sum_ = 0;
};

} // namespace fused_bear_loss::cuda
