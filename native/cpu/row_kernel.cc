// One row: the sweep that finds log-sum-exp, target and threshold together, and the sweep that writes the gradient.
//
// This file is compiled once per instruction set with FBL_INSTRUCTION_SET naming it. It uses no STL and no inline
// function that another object could share (see compiler.h).

#include "native/cpu/row_kernel.h"

#include <math.h>

#include "native/cpu/gradient_writer.h"
#include "native/cpu/row_sweep.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {
namespace {

// |A| and the sum of u - u_reference over A, for label smoothing: relative to the reference, as a common offset would
// take the digits; of sixteenths, as the difference of two logits may pass float's largest number; and beyond four of
// them in double precision.
template <Scaling kScaling, class Element>
void sum_differences(const Row<Element>& row, const LogitScale& scale, RowSums& sums) {
  constexpr float kPart = 1.0f / 16;
  const Softcap softcap = Softcap::make(scale.softcap);
  const auto cap = [&](Vec logits) { return kScaling == Scaling::kSoftcap ? apply_softcap(logits, softcap) : logits; };
  const float reference = kScaling == Scaling::kSoftcap ? capped(sums.reference_logit, softcap) : sums.reference_logit;
  const Vec part = broadcast(kPart);
  const Vec shift = broadcast(-kPart * reference);
  const Vec masked = broadcast(-INFINITY);
  WideVec total = to_double(broadcast(0));
  double count = 0;
  for (std::int64_t begin = 0; begin < row.count; begin += kChunkBlocks * kBlock) {
    const std::int64_t end = begin + kChunkBlocks * kBlock < row.count ? begin + kChunkBlocks * kBlock : row.count;
    Vec allowed = broadcast(0);
    for (std::int64_t i = begin; i < end; i += kAccumulators * kLanes) {
      Vec sum = broadcast(0);
#pragma GCC unroll 4
      for (int v = 0; v < kAccumulators; ++v) {
        const Vec logits = load_left(row.logits + i + v * kLanes, end - i - v * kLanes);
        const Mask keep = not_equal(logits, masked);
        sum = add(sum, select(keep, multiply_add(cap(logits), part, shift), broadcast(0)));
        allowed = add(allowed, select(keep, broadcast(1), broadcast(0)));
      }
      total = add(total, to_double(sum));
    }
    count += horizontal_sum(allowed);
  }
  sums.allowed_count = count;
  sums.sum_differences = horizontal_sum(total) / double{kPart} / scale.temperature;
}

void sum_differences_of(const RowView& view, const LogitScale& scale, RowSums& sums) {
  with_scaling(scale, [&](auto scaling) {
    with_element(view.dtype, [&](auto element) {
      sum_differences<scaling.value>(typed_row<decltype(element)>(view), scale, sums);
    });
  });
}

// How many of the largest logits a sweep keeps: at least two, to recognise a row with a single allowed token.
std::int64_t candidate_width(std::int64_t beam_width) { return beam_width > 2 ? beam_width : 2; }

// What the largest logits say of the row's threshold.
void find_threshold(const TopCandidates& top, std::int64_t beam_width, RowSums& sums) {
  sums.threshold_logit = top.largest(beam_width);
  sums.effective_width = top.effective_rank(beam_width);
  sums.several_allowed = top.has_several();
  if (sums.target_logit >= sums.threshold_logit) sums.target_rank = top.count_above(sums.target_logit);
}

// Returns whether the exponentials were kept.
template <bool kKeep, Scaling kScaling, class Element, class Companion>
bool sweep_row(const Row<Element>& row, const SweepOptions& options, float* candidates, float* exponentials,
               RowSums& sums, Companion& companion) {
  const TopCandidates top(candidates, candidate_width(options.beam_width));
  RowSweep<kKeep, kScaling, Element, TopCandidates> sweep(row, options.scale, top, exponentials, sums);
  const bool kept = sweep.run(companion);
  sums.poisoned |= sweep.is_masked();
  if (sums.poisoned) return false;
  find_threshold(sweep.top(), options.beam_width, sums);
  if (options.label_smoothing) sum_differences<kScaling>(row, options.scale, sums);
  return kept;
}

std::int64_t count_above(const RowView& view, float limit) {
  std::int64_t count = 0;
  with_element(view.dtype, [&](auto element) {
    const auto row = typed_row<decltype(element)>(view);
    const Vec limits = broadcast(limit);
    for (std::int64_t i = 0; i < row.count; i += kLanes) {
      count += __builtin_popcount(lane_bits(greater(load_left(row.logits + i, row.count - i), limits)));
    }
  });
  return count;
}

std::int64_t find_equal(const RowView& view, float logit, std::int64_t number) {
  std::int64_t position = -1;
  with_element(view.dtype, [&](auto element) {
    const auto row = typed_row<decltype(element)>(view);
    const Vec wanted = broadcast(logit);
    for (std::int64_t i = 0; i < row.count && position < 0; i += kLanes) {
      unsigned lanes = lane_bits(equal(load_left(row.logits + i, row.count - i), wanted));
      for (; lanes != 0 && position < 0; lanes &= lanes - 1) {
        if (number-- == 0) position = i + __builtin_ctz(lanes);
      }
    }
  });
  return position;
}

bool is_streamed(const GradientJob& job) { return kCanStream && job.out.stream && job.out.dtype == DType::kFloat32; }

// Whether the gradient is a constant times exponentials.
bool is_plain(const GradientJob& job) { return job.factors.scale.softcap <= 0 && job.factors.offset == 0; }

// The factor of exp(u_j - u_reference) in the gradient.
Vec gradient_constant(const GradientJob& job) {
  return broadcast(static_cast<float>(job.factors.exponential / job.factors.scale.temperature));
}

template <StoreKind kStore, class Element, class Out, class Gradient>
void write_in_order(const GradientJob& job, const void* source, const Gradient& gradient) {
  GradientWriter<kStore, Element, Out, Gradient> writer(job, source, gradient);
  writer.write_edges();
  if (kStore == StoreKind::kPlain && job.out.from_end) return writer.write_descending();
  writer.write_ascending();
}

template <class Element, class Out, class Gradient>
void write_all(const GradientJob& job, const void* source, const Gradient& gradient) {
  if constexpr (sizeof(Element) == sizeof(float) && sizeof(Out) == sizeof(float)) {
    if (is_streamed(job)) return write_in_order<StoreKind::kStream, Element, Out>(job, source, gradient);
  }
  write_in_order<StoreKind::kPlain, Element, Out>(job, source, gradient);
}

template <class Element, class Out>
void write_from_logits(const GradientJob& job) {
  with_scaling(job.factors.scale, [&](auto scaling) {
    const auto relative = RelativeExponential<scaling.value>::make(job.factors.scale, job.factors.reference_logit);
    const Vec constant = gradient_constant(job);
    if constexpr (scaling.value != Scaling::kSoftcap) {
      if (is_plain(job)) {
        return write_all<Element, Out>(job, job.row.logits, PlainGradient<scaling.value>{relative, constant});
      }
    }
    const Vec offset = broadcast(static_cast<float>(job.factors.offset / job.factors.scale.temperature));
    write_all<Element, Out>(job, job.row.logits, GeneralGradient<scaling.value>{relative, constant, offset});
  });
}

bool can_scale_exponentials(const GradientJob& job) { return job.exponentials != nullptr && is_plain(job); }

void write_gradient(const GradientJob& job) {
  with_element(job.out.dtype, [&](auto out_element) {
    using Out = decltype(out_element);
    if (can_scale_exponentials(job)) {
      write_all<float, Out>(job, job.exponentials, ScaledExponential{gradient_constant(job)});
    } else if (job.row.dtype == DType::kFloat32) {
      write_from_logits<float, Out>(job);
    } else {
      write_from_logits<Out, Out>(job);
    }
  });
}

template <StoreKind kStore, class Out>
using PendingWriter = GradientWriter<kStore, float, Out, ScaledExponential>;

// Sweeps a row while the gradient of another is written: `sweep(companion)` is called once.
template <StoreKind kStore, class Out, class Sweep>
void sweep_and_write(const GradientJob& pending, const Sweep& sweep) {
  PendingWriter<kStore, Out> writer(pending, pending.exponentials, ScaledExponential{gradient_constant(pending)});
  writer.write_edges();
  sweep(writer);
  writer.write_ascending();
}

// Calls `sweep`, of a row of such elements, with what writes the pending gradient, if there is one.
template <class Element, class Sweep>
void sweep_beside(const GradientJob* pending, DType dtype, const Sweep& sweep) {
  if (pending == nullptr || pending->out.dtype != dtype || !can_scale_exponentials(*pending)) {
    if (pending != nullptr) write_gradient(*pending);
    PendingWriter<StoreKind::kPlain, Element> idle; // as NoCompanion would cost the sweep's code once more
    return sweep(idle);
  }
  if constexpr (sizeof(Element) == sizeof(float)) {
    if (is_streamed(*pending)) return sweep_and_write<StoreKind::kStream, Element>(*pending, sweep);
  }
  sweep_and_write<StoreKind::kPlain, Element>(*pending, sweep);
}

bool can_recompute(DType dtype, const LogitScale& scale) {
  return kCanRecompute && dtype == DType::kFloat32 && scaling_of(scale) == Scaling::kPlain;
}

// Sweeps a row while the gradient of another is written from its logits, where that is compiled; false where it is not.
template <Scaling kScaling, class Element, class Sweep>
bool sweep_and_recompute(const GradientJob& pending, const Sweep& sweep) {
  if constexpr (kCanRecompute && kScaling == Scaling::kPlain && sizeof(Element) == sizeof(float)) {
    const bool can = pending.exponentials == nullptr && pending.row.dtype == DType::kFloat32 &&
                     pending.out.dtype == DType::kFloat32 && !is_streamed(pending) && is_plain(pending);
    if (!can) return false;
    using Gradient = PlainGradient<kScaling>;
    const auto relative = RelativeExponential<kScaling>::make(pending.factors.scale, pending.factors.reference_logit);
    GradientWriter<StoreKind::kPlain, float, float, Gradient> writer(pending, pending.row.logits,
                                                                     Gradient{relative, gradient_constant(pending)});
    writer.write_edges();
    sweep(writer);
    writer.write_ascending();
    return true;
  }
  return false;
}

bool sweep(const RowView& view, const SweepOptions& options, float* candidates, float* exponentials,
           const GradientJob* pending, RowSums& sums) {
  sums = RowSums{};
  bool kept = false;
  with_scaling(options.scale, [&](auto scaling) {
    with_element(view.dtype, [&](auto element) {
      using Element = decltype(element);
      const auto row = typed_row<Element>(view);
      if constexpr (scaling.value != Scaling::kSoftcap) {
        if (exponentials != nullptr) {
          return sweep_beside<Element>(pending, view.dtype, [&](auto& companion) {
            kept = sweep_row<true, scaling.value>(row, options, candidates, exponentials, sums, companion);
          });
        }
      }
      const auto sweep_with = [&](auto& companion) {
        sweep_row<false, scaling.value>(row, options, candidates, nullptr, sums, companion);
      };
      if (pending != nullptr) {
        if (sweep_and_recompute<scaling.value, Element>(*pending, sweep_with)) return;
        write_gradient(*pending);
      }
      NoCompanion none;
      sweep_with(none);
    });
  });
  return kept;
}

void gather(const void* logits, DType dtype, const std::int32_t* tokens, std::int64_t count, float* out) {
  with_element(dtype, [&](auto element) {
    const auto* p = static_cast<const decltype(element)*>(logits);
    for (std::int64_t i = 0; i < count; ++i) out[i] = to_float(p[tokens[i]]);
  });
}

void apply_bitmask(const void* logits, DType dtype, const std::uint32_t* bitmask, std::int64_t count, float* out) {
  with_element(dtype, [&](auto element) {
    const auto* p = static_cast<const decltype(element)*>(logits);
    const Vec masked = broadcast(-INFINITY);
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      store(out + i, select(mask_from_bits(bitmask[i >> 5] >> (i & 31)), load(p + i), masked));
    }
    for (; i < count; ++i) out[i] = bitmask[i >> 5] >> (i & 31) & 1u ? to_float(p[i]) : -INFINITY;
  });
}

void finish() { stream_fence(); }

std::int64_t candidate_capacity(std::int64_t beam_width) {
  return TopCandidates::capacity(candidate_width(beam_width));
}

} // namespace

const RowKernel row_kernel = {can_recompute, candidate_capacity, sweep,  write_gradient, sum_differences_of,
                              count_above,   find_equal,         gather, apply_bitmask,  finish};

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
