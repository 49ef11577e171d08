// The writing of a row's gradient, a block at a time: all at once, or step by step beside other work. Included into the
// sources that are compiled once per instruction set, as row_sweep.h is.
#pragma once

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

template <StoreKind kStore, class Element, class Out, class Gradient>
class GradientWriter {
 public:
  // Of nothing: each step is idle.
  GradientWriter() = default;

  GradientWriter(const GradientJob& job, const void* source, const Gradient& gradient)
      : source_(static_cast<const Element*>(source)),
        out_(static_cast<Out*>(job.out.gradient)),
        count_(job.row.count),
        head_(head_length()),
        blocks_((count_ - head_) / kBlock),
        terms_(job.terms),
        term_blocks_{term_block(0), term_block(1)},
        gradient_(gradient),
        prefetches_(job.prefetches),
        prefetch_(job.row.prefetch) {}

  // What comes before the first whole block and after the last one.
  FBL_NEVER_INLINE void write_edges() {
    for (std::int64_t begin = head_ + blocks_ * kBlock; begin < count_; begin += kLanes)
      write_part(begin, count_ - begin);
    if (head_ > 0) write_part(0, head_);
  }

  // The next block from the beginning, if one is left.
  FBL_ALWAYS_INLINE_MEMBER void step() {
    if (next_ < blocks_) write_block(next_++);
  }

  // The rest of the blocks.
  FBL_ALWAYS_INLINE_MEMBER void write_ascending() {
    const BlockPrefetcher<Element> prefetcher(prefetch_);
    while (next_ < blocks_) {
      if (kMayPrefetch && prefetches_) prefetcher.beside(source_ + head_ + next_ * kBlock);
      write_block(next_++);
    }
  }
  FBL_ALWAYS_INLINE_MEMBER void write_descending() {
    while (blocks_ > next_) write_block(--blocks_);
  }

 private:
  // Logits before `out` is aligned: less than a vector of them. Streamed stores must be aligned, and a plain one that
  // crosses a cache line costs twice (Node's large arrays begin 16 bytes after a page).
  std::int64_t head_length() const {
    const int alignment = kStore == StoreKind::kStream ? kStreamAlignment : static_cast<int>(kLanes * sizeof(Out));
    const auto misaligned =
        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(out_) % static_cast<std::uintptr_t>(alignment));
    if (misaligned == 0) return 0;
    const std::int64_t head = (alignment - misaligned) / std::int64_t{sizeof(Out)};
    return head < count_ ? head : count_;
  }

  // The block that holds a term; -1 where none does.
  std::int64_t term_block(int term) const {
    const std::int64_t position = terms_[term].position;
    return position < head_ ? -1 : (position - head_) / kBlock;
  }

  FBL_ALWAYS_INLINE_MEMBER void write_block(std::int64_t block) {
    const std::int64_t begin = head_ + block * kBlock;
    if (block == term_blocks_[0] || block == term_blocks_[1]) return write_block_with_term(begin);
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
  void put_terms(float* block, std::int64_t begin, std::int64_t size) const {
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

  const Element* source_ = nullptr; // logits, or kept exponentials
  Out* out_ = nullptr;
  std::int64_t count_ = 0;
  std::int64_t head_ = 0;
  std::int64_t blocks_ = 0; // up to this one is left to write,
  std::int64_t next_ = 0;   // from this one on
  const GradientTerm* terms_ = nullptr;
  std::int64_t term_blocks_[2] = {-1, -1};
  Gradient gradient_ = {};
  // Processors that gain by it have AVX-512 (tuning.cc). The other builds are smaller without.
  static constexpr bool kMayPrefetch = kLanes == 16;
  bool prefetches_ = false;
  Prefetch prefetch_;
};

} // namespace
} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
