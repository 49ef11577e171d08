// One row: the sweep that finds log-sum-exp, target and threshold together, and the sweep that writes the gradient.
//
// This file is compiled once per instruction set with FBL_INSTRUCTION_SET naming it. It uses no STL and no inline
// function that another object could share (see compiler.h).

#include "native/cpu/row_kernel.h"

#include <math.h>

#include "native/cpu/row_sweep.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {
namespace {

FBL_ALWAYS_INLINE Vec softcap_slope(Vec logit, const Softcap& softcap) {
  const Vec s = decay(multiply(logit, softcap.inverse), softcap);
  const Vec root = add(broadcast(1), s);
  return divide(multiply(s, broadcast(4)), multiply(root, root));
}

// The plain gradient, constant * exp(u_j - u_reference): from the logits, or from the exponentials that the sweep kept.
// Both round alike, so that every way to a gradient gives the same bits.
template <Scaling kScaling>
struct PlainGradient {
  static constexpr int kUnrolled = kVectors;
  RelativeExponential<kScaling> relative;
  Vec constant;

  FBL_ALWAYS_INLINE_MEMBER Vec operator()(Vec logits) const { return multiply(relative.of(logits), constant); }
};

struct ScaledExponential {
  static constexpr int kUnrolled = kVectors;
  Vec constant;

  FBL_ALWAYS_INLINE_MEMBER Vec operator()(Vec exponentials) const { return multiply(exponentials, constant); }
};

// With label smoothing's offset or a softcap.
template <Scaling kScaling>
struct GeneralGradient {
  // A softcap's code is long, and no faster in one stretch.
  static constexpr int kUnrolled = kScaling == Scaling::kSoftcap ? 4 : kVectors;
  RelativeExponential<kScaling> relative;
  Vec constant;
  Vec offset;

  FBL_ALWAYS_INLINE_MEMBER Vec operator()(Vec logits) const {
    Vec gradient = multiply_add(relative.of(logits), constant, offset);
    if (kScaling == Scaling::kSoftcap) gradient = multiply(gradient, softcap_slope(logits, relative.softcap));
    return select(not_equal(logits, broadcast(-INFINITY)), gradient, broadcast(0));
  }
};

enum class StoreKind { kPlain, kStream };

// From this length on a row is written from its end to its beginning, as what the sweep saw last is still in the
// nearest cache: from the beginning, a row that passes the size of a cache finds nothing in it (64 x 128256 in
// place: 1.95 times the floor with one thread instead of 1.83). It does not help streamed stores.
constexpr std::int64_t kDescendingLength = 1 << 16;

// Writes the gradient of a row, a block at a time.
template <StoreKind kStore, class Element, class Out, class Gradient>
class GradientWriter {
 public:
  GradientWriter(const GradientJob& job, const Element* source, const Gradient& gradient)
      : source_(source),
        out_(static_cast<Out*>(job.out.gradient)),
        count_(job.row.count),
        terms_(job.terms),
        gradient_(gradient) {}

  void write() {
    const std::int64_t head = head_length();
    const std::int64_t blocks = (count_ - head) / kBlock;
    for (std::int64_t begin = head + blocks * kBlock; begin < count_; begin += kLanes)
      write_part(begin, count_ - begin);
    if (kStore == StoreKind::kPlain && count_ >= kDescendingLength) {
      write_blocks(head, blocks - 1, -1, -1);
    } else {
      write_blocks(head, 0, blocks, 1);
    }
    if (head > 0) write_part(0, head);
  }

 private:
  // Logits before `out` is aligned for streamed stores: less than a vector of them.
  std::int64_t head_length() const {
    const auto misaligned = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(out_) % kStreamAlignment);
    if (kStore == StoreKind::kPlain || misaligned == 0) return 0;
    const std::int64_t head = (kStreamAlignment - misaligned) / std::int64_t{sizeof(Out)};
    return head < count_ ? head : count_;
  }

  // The blocks from `first` up or down to the one before `end`, counted from `head`.
  FBL_ALWAYS_INLINE_MEMBER void write_blocks(std::int64_t head, std::int64_t first, std::int64_t end,
                                             std::int64_t step) {
    const std::int64_t terms[2] = {term_block(0, head), term_block(1, head)};
    for (std::int64_t block = first; block != end; block += step) {
      const std::int64_t begin = head + block * kBlock;
      if (block == terms[0] || block == terms[1]) {
        write_block_with_term(begin);
      } else {
        write_block(begin);
      }
    }
  }

  // The block that holds a term; -1 where none does.
  std::int64_t term_block(int term, std::int64_t head) const {
    const std::int64_t position = terms_[term].position;
    return position < head ? -1 : (position - head) / kBlock;
  }

  FBL_ALWAYS_INLINE_MEMBER void write_block(std::int64_t begin) {
#pragma GCC unroll 1
    for (int first = 0; first < kVectors; first += Gradient::kUnrolled) {
      // The stores together: a cache line's worth of streamed stores must not wait between others.
      Vec x[Gradient::kUnrolled];
#pragma GCC unroll 16
      for (int v = 0; v < Gradient::kUnrolled; ++v) x[v] = gradient_(load(source_ + begin + (first + v) * kLanes));
#pragma GCC unroll 16
      for (int v = 0; v < Gradient::kUnrolled; ++v) put(begin + (first + v) * kLanes, x[v]);
    }
  }

  FBL_ALWAYS_INLINE_MEMBER void put(std::int64_t i, Vec x) {
    if constexpr (kStore == StoreKind::kStream) {
      stream(out_ + i, x);
    } else {
      store(out_ + i, x);
    }
  }

  // Puts the terms of [begin, begin + size) into the block.
  void put_terms(float* block, std::int64_t begin, std::int64_t size) {
    for (int t = 0; t < 2; ++t) {
      const std::int64_t i = terms_[t].position - begin;
      if (terms_[t].position >= 0 && i >= 0 && i < size) block[i] = terms_[t].value;
    }
  }

  FBL_NEVER_INLINE void write_block_with_term(std::int64_t begin) {
    float block[kBlock];
#pragma GCC unroll 1
    for (int v = 0; v < kVectors; ++v) store(block + v * kLanes, gradient_(load(source_ + begin + v * kLanes)));
    put_terms(block, begin, kBlock);
#pragma GCC unroll 1
    for (int v = 0; v < kVectors; ++v) put(begin + v * kLanes, load(block + v * kLanes));
  }

  // At most a vector.
  FBL_NEVER_INLINE void write_part(std::int64_t begin, std::int64_t left) {
    const int size = left < kLanes ? static_cast<int>(left) : static_cast<int>(kLanes);
    float block[kLanes];
    store(block, gradient_(load_first(source_ + begin, size, -INFINITY)));
    put_terms(block, begin, size);
    store_first(out_ + begin, load(block), size);
  }

  const Element* source_; // logits, or kept exponentials
  Out* out_;
  std::int64_t count_;
  const GradientTerm* terms_;
  Gradient gradient_;
};

// |A| and the sum of u over A, for label smoothing.
template <Scaling kScaling, class Element>
void sum_scaled_logits(const Row<Element>& row, const LogitScale& scale, RowSums& sums) {
  const Softcap softcap = Softcap::make(scale.softcap);
  const Vec masked = broadcast(-INFINITY);
  double total = 0;
  double count = 0;
  for (std::int64_t begin = 0; begin < row.count; begin += kChunkBlocks * kBlock) {
    const std::int64_t end = begin + kChunkBlocks * kBlock < row.count ? begin + kChunkBlocks * kBlock : row.count;
    Vec sum = broadcast(0);
    Vec allowed = broadcast(0);
    for (std::int64_t i = begin; i < end; i += kLanes) {
      const Vec logits = load_left(row.logits + i, end - i);
      const Mask keep = not_equal(logits, masked);
      sum =
          add(sum, select(keep, kScaling == Scaling::kSoftcap ? apply_softcap(logits, softcap) : logits, broadcast(0)));
      allowed = add(allowed, select(keep, broadcast(1), broadcast(0)));
    }
    total += horizontal_sum(sum);
    count += horizontal_sum(allowed);
  }
  sums.allowed_count = count;
  sums.sum_scaled = total / scale.temperature;
}

// How many of the largest logits a sweep keeps: two at least, which tells a row with a single allowed token from
// others.
std::int64_t candidate_width(std::int64_t beam_width) { return beam_width > 2 ? beam_width : 2; }

// What the largest logits say of the row's threshold.
void find_threshold(const TopCandidates& top, std::int64_t beam_width, RowSums& sums) {
  sums.threshold_logit = top.largest(beam_width);
  sums.effective_width = top.effective_rank(beam_width);
  sums.several_allowed = top.has_several();
  if (sums.target_logit >= sums.threshold_logit) sums.target_rank = top.count_above(sums.target_logit);
}

// Returns whether the exponentials were kept.
template <bool kKeep, Scaling kScaling, class Element>
bool sweep_row(const Row<Element>& row, const SweepOptions& options, float* candidates, float* exponentials,
               RowSums& sums) {
  const TopCandidates top(candidates, candidate_width(options.beam_width));
  RowSweep<kKeep, kScaling, Element, TopCandidates> sweep(row, options.scale, top, exponentials, sums);
  const bool kept = sweep.run();
  sums.poisoned |= sweep.is_masked();
  if (sums.poisoned) return false;
  find_threshold(sweep.top(), options.beam_width, sums);
  if (options.label_smoothing) sum_scaled_logits<kScaling>(row, options.scale, sums);
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
  const LogitScale& scale = job.factors.scale;
  const double reference = exp(scaled_logit(scale, job.sums.reference_logit) - job.factors.log_sum_exp);
  return broadcast(static_cast<float>(job.factors.probability * reference / scale.temperature));
}

template <class Element, class Out, class Gradient>
void write_all(const GradientJob& job, const void* source, const Gradient& gradient) {
  const auto* const typed_source = static_cast<const Element*>(source);
  if constexpr (sizeof(Element) == sizeof(float) && sizeof(Out) == sizeof(float)) {
    if (is_streamed(job)) {
      return GradientWriter<StoreKind::kStream, Element, Out, Gradient>(job, typed_source, gradient).write();
    }
  }
  GradientWriter<StoreKind::kPlain, Element, Out, Gradient>(job, typed_source, gradient).write();
}

template <class Element, class Out>
void write_from_logits(const GradientJob& job) {
  with_scaling(job.factors.scale, [&](auto scaling) {
    const auto relative = RelativeExponential<scaling.value>::make(job.factors.scale, job.sums.reference_logit);
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

void write_gradient(const GradientJob& job) {
  with_element(job.out.dtype, [&](auto out_element) {
    using Out = decltype(out_element);
    if (job.exponentials != nullptr && is_plain(job)) {
      write_all<float, Out>(job, job.exponentials, ScaledExponential{gradient_constant(job)});
    } else if (job.row.dtype == DType::kFloat32) {
      write_from_logits<float, Out>(job);
    } else {
      write_from_logits<Out, Out>(job);
    }
  });
}

bool sweep(const RowView& view, const SweepOptions& options, float* candidates, float* exponentials, RowSums& sums) {
  sums = RowSums{};
  bool kept = false;
  with_scaling(options.scale, [&](auto scaling) {
    with_element(view.dtype, [&](auto element) {
      using Element = decltype(element);
      const auto row = typed_row<Element>(view);
      if constexpr (scaling.value != Scaling::kSoftcap) {
        if (exponentials != nullptr) {
          kept = sweep_row<true, scaling.value>(row, options, candidates, exponentials, sums);
          return;
        }
      }
      sweep_row<false, scaling.value>(row, options, candidates, nullptr, sums);
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

const RowKernel row_kernel = {candidate_capacity, sweep,  write_gradient, count_above,
                              find_equal,         gather, apply_bitmask,  finish};

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
