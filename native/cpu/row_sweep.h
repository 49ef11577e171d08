// The sweep over one row that finds log-sum-exp and the largest logits together, reading each logit once. Included into
// the sources that are compiled once per instruction set, with FBL_INSTRUCTION_SET naming it; no STL and no inline
// function that another object could share (see compiler.h), but those of this namespace: the objects of one
// instruction set share them, which keeps the addon 120 kB smaller.
//
// How it does without knowing the row's maximum:
// - A reference logit is taken from the first chunk that has a finite one; exponentials are relative to it. Only when
//   a later logit is so much larger that float could overflow is the reference replaced, once, by the maximum of what
//   is left.
// - The same chunk gives a lower bound of the threshold (the B-th largest of its lane maxima). From then on a block of
//   64 logits costs one comparison; blocks that hold a logit above the bound are noted in a bit mask, without a branch,
//   and visited after the chunk.
// - A target, where the row has one, is left out of the sum, so that 1 - p_y has its full relative accuracy where p_y
//   is near 1.
// Sums are taken in a fixed order that depends on positions in the row only, never on alignment or threads.
#pragma once

#include <math.h>

#include "native/cpu/row_kernel.h"

#include "native/cpu/simd.h"
#include "native/cpu/top_candidates.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {

constexpr std::int64_t kBlock = 64;
constexpr std::int64_t kVectors = kBlock / kLanes;
constexpr std::int64_t kAccumulators = 4;
// A chunk has up to 4096 logits: 64 blocks, a bit each in the mask of hits; in float32 it stays in the first-level
// cache. The first is short, as it is read twice (for the reference and the first bound), and each doubles the last,
// as the bound gets better by what it has seen.
constexpr std::int64_t kFirstChunkBlocks = 16;
constexpr std::int64_t kChunkBlocks = 64;
// Halvings of the interval in which a bound from maxima lies: it only has to be close.
constexpr int kMaximaSteps = 12;
// Of a chunk's blocks. More of them are a rise, in which nearly every logit would pass for a moment: then the chunk's
// own maxima give a bound first.
constexpr int kManyHits = 32;
// In units of the scaled logits. exp(40) * 2^20 logits is far from float's limit, and exp(-40) far below its precision.
constexpr double kReferenceSlack = 40;

template <class Element>
struct Row {
  const Element* logits;
  std::int64_t count;
  std::int64_t target; // position, or kNoTarget
  Prefetch prefetch;

  bool has_target() const { return target != kNoTarget; }

  std::int64_t blocks() const { return (count + kBlock - 1) / kBlock; }
  std::int64_t block_size(std::int64_t block) const {
    const std::int64_t left = count - block * kBlock;
    return left < kBlock ? left : kBlock;
  }
  // The first block in [block, end) that is not 64 plain logits: the target's, or the short one at the end.
  std::int64_t next_edge(std::int64_t block, std::int64_t end) const {
    const std::int64_t target_block = target / kBlock;
    if (target_block >= block && target_block < end) end = target_block;
    const std::int64_t full = count / kBlock;
    return full >= block && full < end ? full : end;
  }
};

template <class Element>
Row<Element> typed_row(const RowView& view) {
  return {static_cast<const Element*>(view.logits), view.count, view.target, view.prefetch};
}

// The next vector of a row that has `left` logits more, perhaps none, with -infinity past its end.
template <class Element>
FBL_ALWAYS_INLINE Vec load_left(const Element* p, std::int64_t left) {
  if (left >= kLanes) return load(p);
  return left > 0 ? load_first(p, static_cast<int>(left), -INFINITY) : broadcast(-INFINITY);
}

FBL_ALWAYS_INLINE float largest_lane(const Vec* maxima) {
  return horizontal_max(max(max(maxima[0], maxima[1]), max(maxima[2], maxima[3])));
}

// A block in float32, with -infinity for the target, where there is one, and past the end.
template <class Element>
FBL_NEVER_INLINE void load_block(const Row<Element>& row, std::int64_t block, float* out) {
  const Element* p = row.logits + block * kBlock;
  const std::int64_t size = row.block_size(block);
  for (int v = 0; v < kVectors; ++v) store(out + v * kLanes, load_left(p + v * kLanes, size - v * kLanes));
  if (row.target / kBlock == block) out[row.target % kBlock] = -INFINITY;
}

// softcap(z) = c tanh(z / c) on vectors; -infinity stays what it is, a masked token.
struct Softcap {
  Vec cap;
  Vec inverse;
  Exponential exponential;

  static FBL_ALWAYS_INLINE_MEMBER Softcap make(double softcap) {
    const float cap = static_cast<float>(softcap > 0 ? softcap : 1);
    return {broadcast(cap), broadcast(static_cast<float>(1 / static_cast<double>(cap))), make_exponential(1)};
  }
};

// exp(-2 |z / c|), from which both tanh and its derivative follow.
FBL_ALWAYS_INLINE Vec decay(Vec t, const Softcap& softcap) {
  return exponential<true>(multiply(absolute(t), broadcast(-2)), softcap.exponential);
}

FBL_ALWAYS_INLINE Vec apply_softcap(Vec logit, const Softcap& softcap) {
  const Vec t = multiply(logit, softcap.inverse);
  const Vec one = broadcast(1);
  const Vec s = decay(t, softcap);
  const Vec large = subtract(one, divide(add(s, s), add(one, s)));
  // Below 0.625 an odd polynomial (Cephes tanhf), as 1 - ... would cancel.
  const Vec square = multiply(t, t);
  Vec series = multiply_add(square, broadcast(-5.70498872745e-3f), broadcast(2.06390887954e-2f));
  series = multiply_add(series, square, broadcast(-5.37397155531e-2f));
  series = multiply_add(series, square, broadcast(1.33314422036e-1f));
  series = multiply_add(series, square, broadcast(-3.33332819422e-1f));
  const Vec small = multiply_add(multiply(series, square), t, t);
  const Vec tangent = select(greater(absolute(t), broadcast(0.625f)), copy_sign(large, t), small);
  return select(not_equal(logit, broadcast(-INFINITY)), multiply(tangent, softcap.cap), logit);
}

// softcap(z) of one logit by the vector code, so that it cancels exactly against the same logit in a vector.
FBL_ALWAYS_INLINE float capped(float logit, const Softcap& softcap) {
  float lanes[kLanes];
  store(lanes, apply_softcap(broadcast(logit), softcap));
  return lanes[0];
}

// How scaled logits come from logits.
enum class Scaling {
  kPlain,   // by a factor that float holds well enough
  kPrecise, // by a factor that needs a second float: its rounding alone would cost 5e-6 of a probability of e^-80
  kSoftcap, // by the cap, and then precisely
};

inline Scaling scaling_of(const LogitScale& scale) {
  if (scale.softcap > 0) return Scaling::kSoftcap;
  const double factor = kLog2E / scale.temperature;
  const bool is_plain = fabs(static_cast<double>(static_cast<float>(factor)) / factor - 1) < 1.5e-8;
  return is_plain && !kAlwaysPrecise ? Scaling::kPlain : Scaling::kPrecise;
}

// Calls f with the scaling as a compile-time constant.
template <Scaling kScaling>
struct ScalingConstant {
  static constexpr Scaling value = kScaling;
};

template <class F>
void with_scaling(const LogitScale& scale, const F& f) {
  switch (scaling_of(scale)) {
    case Scaling::kPlain:
      if constexpr (!kAlwaysPrecise) f(ScalingConstant<Scaling::kPlain>{});
      return;
    case Scaling::kPrecise:
      return f(ScalingConstant<Scaling::kPrecise>{});
    case Scaling::kSoftcap:
      return f(ScalingConstant<Scaling::kSoftcap>{});
  }
}

// exp(u_j - u_reference) of vectors of logits.
template <Scaling kScaling>
struct RelativeExponential {
  static constexpr bool kSoftcap = kScaling == Scaling::kSoftcap;
  static constexpr bool kPrecise = kScaling != Scaling::kPlain;

  Vec reference;
  Exponential parameters;
  Softcap softcap;

  static FBL_ALWAYS_INLINE_MEMBER RelativeExponential make(const LogitScale& scale, float reference) {
    const Softcap softcap = Softcap::make(scale.softcap);
    return {broadcast(kSoftcap ? capped(reference, softcap) : reference), make_exponential(scale.temperature), softcap};
  }

  FBL_ALWAYS_INLINE_MEMBER Vec difference(Vec logits) const {
    return subtract(kSoftcap ? apply_softcap(logits, softcap) : logits, reference);
  }
  FBL_ALWAYS_INLINE_MEMBER Vec of(Vec logits) const { return exponential<kPrecise>(difference(logits), parameters); }
  FBL_ALWAYS_INLINE_MEMBER Vec add_to(Vec sum, Vec logits, Vec* wanted) const {
    return add_exponential<kPrecise>(sum, difference(logits), parameters, wanted);
  }
};

// See Prefetch.
template <class Element>
class BlockPrefetcher {
 public:
  explicit BlockPrefetcher(const Prefetch& prefetch)
      : window_(prefetch.window_bytes),
        last_stream_(prefetch.streams - 1),
        stream_shift_(__builtin_ctzll(static_cast<std::uint64_t>(prefetch.streams))),
        stream_bytes_(prefetch.window_bytes >> stream_shift_),
        near_(prefetch.near_bytes) {}

  // What is due while the block at p is read.
  FBL_ALWAYS_INLINE_MEMBER void beside(const Element* p) const {
    const std::intptr_t in_window = reinterpret_cast<std::intptr_t>(p) & (window_ - 1);
    const std::intptr_t block = in_window / kBlockBytes;
    const std::intptr_t in_block = in_window % kBlockBytes;
    const std::intptr_t in_next =
        (block & last_stream_) * stream_bytes_ + (block >> stream_shift_) * kBlockBytes + in_block;
    const char* const next = reinterpret_cast<const char*>(p) + (window_ + in_next - in_window);
    for (std::int64_t line = 0; line < kBlockBytes; line += 64) __builtin_prefetch(next + line, 0, 2);
    if (near_ == 0) return;
    const char* const near = reinterpret_cast<const char*>(p) + near_;
    for (std::int64_t line = 0; line < kBlockBytes; line += 64) __builtin_prefetch(near + line, 0, 3);
  }

 private:
  static constexpr std::int64_t kBlockBytes = kBlock * std::int64_t{sizeof(Element)};
  std::intptr_t window_;
  std::intptr_t last_stream_;
  int stream_shift_;
  std::intptr_t stream_bytes_;
  std::intptr_t near_;
};

// Adds a block's exponentials, keeps them if kKeep, and returns whether a logit of the block is above the bound.
// kUnrolled vectors at a time: fewer than the whole block keep the addon small where blocks are rare or slow anyway.
template <bool kKeep, int kUnrolled, Scaling kScaling, class Element>
FBL_ALWAYS_INLINE bool add_block(const Element* p, const RelativeExponential<kScaling>& relative, Vec bound, Vec* sums,
                                 float* kept) {
  static_assert(kUnrolled % kAccumulators == 0, "an accumulator has its fixed place in the unrolled code");
  Vec largest = broadcast(-INFINITY);
#pragma GCC unroll 1
  for (int first = 0; first < kVectors; first += kUnrolled) {
#pragma GCC unroll 16
    for (int v = 0; v < kUnrolled; ++v) {
      const std::int64_t i = (first + v) * kLanes;
      const Vec logits = load(p + i);
      Vec exponential;
      largest = max(logits, largest);
      sums[v % kAccumulators] = relative.add_to(sums[v % kAccumulators], logits, kKeep ? &exponential : nullptr);
      if (kKeep) store(kept + i, exponential);
    }
  }
  return any(greater(largest, bound));
}

// What is done beside a sweep, a step a block: nothing.
struct NoCompanion {
  FBL_ALWAYS_INLINE_MEMBER void step() {}
};

// The sum of exp(u_j - u_reference) over the blocks [begin, end) without the target. Bit i of `hits` is set if block
// begin + i has a logit above the bound. Keeps the exponentials if kKeep.
template <bool kKeep, Scaling kScaling, class Element, class Companion>
FBL_ONE_COPY double sum_blocks(const Row<Element>& row, std::int64_t begin, std::int64_t end,
                               const RelativeExponential<kScaling>& shared_relative, float bound, std::uint64_t& hits,
                               float* kept, Companion& shared_companion) {
  constexpr int kUnrolled = kScaling == Scaling::kSoftcap ? kAccumulators : kVectors;
  const RelativeExponential<kScaling> relative = shared_relative; // copies stay in registers
  const BlockPrefetcher<Element> prefetcher(row.prefetch);
  Companion companion = shared_companion;
  const Vec bounds = broadcast(bound);
  Vec sums[kAccumulators];
  for (Vec& sum : sums) sum = broadcast(0);
  hits = 0;
  std::int64_t block = begin;
  const auto note = [&](bool hit) { hits |= static_cast<std::uint64_t>(hit) << (block - begin); };
  const auto kept_block = [&] { return kKeep ? kept + block * kBlock : nullptr; };
  while (block < end) {
    const std::int64_t stop = row.next_edge(block, end);
    for (; block < stop; ++block) {
      prefetcher.beside(row.logits + block * kBlock);
      note(add_block<kKeep, kUnrolled>(row.logits + block * kBlock, relative, bounds, sums, kept_block()));
      companion.step();
    }
    if (block < end) {
      float edge[kBlock];
      load_block(row, block, edge);
      note(add_block<kKeep, kAccumulators>(static_cast<const float*>(edge), relative, bounds, sums, kept_block()));
      ++block;
    }
  }
  shared_companion = companion;
  return horizontal_sum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

// Maxima by lane over the blocks [begin, end), the target included.
template <class Element>
void lane_maxima(const Row<Element>& row, std::int64_t begin, std::int64_t end, Vec* maxima) {
  for (int a = 0; a < kAccumulators; ++a) maxima[a] = broadcast(-INFINITY);
  const std::int64_t last = end * kBlock < row.count ? end * kBlock : row.count;
  std::int64_t i = begin * kBlock;
  for (; i + kAccumulators * kLanes <= last; i += kAccumulators * kLanes) {
#pragma GCC unroll 4
    for (int a = 0; a < kAccumulators; ++a) maxima[a] = max(load(row.logits + i + a * kLanes), maxima[a]);
  }
  for (int a = 0; i < last; i += kLanes, ++a) {
    maxima[a] = max(load_left(row.logits + i, last - i), maxima[a]);
  }
}

template <class Element>
float max_of_blocks(const Row<Element>& row, std::int64_t begin, std::int64_t end) {
  Vec maxima[kAccumulators];
  lane_maxima(row, begin, end, maxima);
  return largest_lane(maxima);
}

// Whether blocks whose maximum is -infinity hold a NaN, which a maximum passes over.
template <class Element>
bool has_nan(const Row<Element>& row, std::int64_t begin, std::int64_t end) {
  const std::int64_t last = end * kBlock < row.count ? end * kBlock : row.count;
  for (std::int64_t i = begin * kBlock; i < last; ++i) {
    if (to_float(row.logits[i]) != -INFINITY) return true;
  }
  return false;
}

// Close to the width-th largest of the lane maxima, and not above it: at least that many logits of the row reach it.
inline float bound_from_maxima(const Vec* maxima, std::int64_t width) {
  constexpr int kMaxima = kAccumulators * kLanes;
  if (width > kMaxima) return -INFINITY;
  float values[kMaxima];
  Vec smallest = maxima[0];
  for (int a = 0; a < kAccumulators; ++a) {
    store(values + a * kLanes, maxima[a]);
    smallest = min(maxima[a], smallest);
  }
  const Vec negated = subtract(broadcast(0), smallest);
  const float low = -horizontal_max(negated);
  return select_largest(values, kMaxima, width, low, largest_lane(maxima), kMaximaSteps);
}

// A bit for each logit of a float32 or 16-bit block that is above the bound.
template <class Element>
FBL_ALWAYS_INLINE std::uint64_t lanes_above(const Element* block, Vec bound) {
  std::uint64_t above = 0;
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    above |= static_cast<std::uint64_t>(lane_bits(greater(load(block + v * kLanes), bound))) << (v * kLanes);
  }
  return above;
}

FBL_ALWAYS_INLINE void offer(TopCandidates& top, float logit, std::int64_t) { top.insert(logit); }

// The target, which no block holds: before all others.
FBL_ALWAYS_INLINE void offer_target(TopCandidates& top, float logit, std::int64_t) { top.insert(logit); }

// What exponentials are relative to, by a chunk whose largest logit this is.
template <class Element>
FBL_ALWAYS_INLINE float choose_reference(const TopCandidates&, const Row<Element>&, std::int64_t, std::int64_t,
                                         float largest) {
  return largest;
}

// Whether there are candidates that take all vectors of a block together.
template <class Candidates>
constexpr bool kTakesVectors = false;
#if defined(__AVX512F__)
template <>
constexpr bool kTakesVectors<TopCandidates> = true;
#endif

// `position` is that of the block's first logit.
template <class Element, class Candidates>
FBL_ALWAYS_INLINE float insert_block(const Element* block, std::int64_t position, Vec bound, float largest,
                                     Candidates& top) {
  if constexpr (kTakesVectors<Candidates>) {
    if (top.has_buffer()) {
      const float found = top.template insert_vectors<kVectors>(block);
      return found > largest ? found : largest;
    }
  }
  for (std::uint64_t above = lanes_above(block, bound); above != 0; above &= above - 1) {
    const int lane = __builtin_ctzll(above);
    const float logit = to_float(block[lane]);
    largest = logit > largest ? logit : largest;
    offer(top, logit, position + lane);
  }
  return largest;
}

// Offers the logits of the blocks in `hits` to the candidates; returns the largest of them.
template <class Element, class Candidates>
FBL_NEVER_INLINE float visit_hits(const Row<Element>& row, std::int64_t begin, std::uint64_t hits, Candidates& top) {
  const Vec bound = broadcast(top.bound());
  float largest = -INFINITY;
  for (; hits != 0; hits &= hits - 1) {
    const std::int64_t block = begin + __builtin_ctzll(hits);
    if (row.next_edge(block, block + 1) == block) {
      float edge[kBlock];
      load_block(row, block, edge);
      largest = insert_block(static_cast<const float*>(edge), block * kBlock, bound, largest, top);
    } else {
      largest = insert_block(row.logits + block * kBlock, block * kBlock, bound, largest, top);
    }
  }
  top.update_bound();
  return largest;
}

// Raises the bound by the maxima of a chunk, but for the target's block; returns the largest.
template <class Element, class Candidates>
FBL_NEVER_INLINE float raise_bound(const Row<Element>& row, std::int64_t begin, std::int64_t end, Candidates& top) {
  const std::int64_t target_block = row.target / kBlock;
  const std::int64_t skipped = target_block >= begin && target_block < end ? target_block : end;
  Vec maxima[kAccumulators];
  Vec others[kAccumulators];
  lane_maxima(row, begin, skipped, maxima);
  lane_maxima(row, skipped + 1, end, others);
  for (int a = 0; a < kAccumulators; ++a) maxima[a] = max(others[a], maxima[a]);
  top.raise_bound(bound_from_maxima(maxima, top.width()));
  return largest_lane(maxima);
}

inline std::int64_t next_chunk_end(std::int64_t begin, std::int64_t blocks) {
  std::int64_t size = begin < kFirstChunkBlocks ? kFirstChunkBlocks : begin;
  size = size < kChunkBlocks ? size : kChunkBlocks;
  return begin + size < blocks ? begin + size : blocks;
}

// The sweep over a row, chunk by chunk. `Candidates` keeps the largest logits: TopCandidates, or what keeps their
// positions too.
template <bool kKeep, Scaling kScaling, class Element, class Candidates>
class RowSweep {
 public:
  RowSweep(const Row<Element>& row, const LogitScale& scale, const Candidates& top, float* exponentials, RowSums& sums)
      : row_(row), scale_(scale), top_(top), exponentials_(exponentials), sums_(sums) {}

  // Fills the sums but for what the largest logits tell, with a step of the companion for most blocks. Returns whether
  // the exponentials it kept are all there, relative to sums.reference_logit.
  template <class Companion>
  bool run(Companion& companion) {
    if (row_.has_target()) sums_.target_logit = to_float(row_.logits[row_.target]);
    sums_.poisoned = !(sums_.target_logit < INFINITY);
    const std::int64_t blocks = row_.blocks();
    std::int64_t end = 0;
    for (std::int64_t begin = 0; begin < blocks && !sums_.poisoned; begin = end) {
      end = next_chunk_end(begin, blocks);
      if (started_ || start(begin, end)) add_chunk(begin, end, companion);
    }
    top_.finish();
    sums_.max_logit = top_.largest(1);
    // A NaN reaches the sum from wherever it is; a target of plus infinity only the maximum.
    sums_.poisoned |= !(sums_.max_logit < INFINITY) || sums_.sum_others != sums_.sum_others;
    return kept_ && started_ && !sums_.poisoned;
  }

  Candidates& top() { return top_; }

  // Whether every logit is -infinity, if the row is not poisoned.
  bool is_masked() const { return !started_; }

 private:
  // Takes the reference and the first bound from a chunk; false where it has no finite logit: a masked chunk, a normal
  // beginning under a constraint.
  FBL_NEVER_INLINE bool start(std::int64_t begin, std::int64_t end) {
    Vec maxima[kAccumulators];
    lane_maxima(row_, begin, end, maxima);
    const float largest = largest_lane(maxima);
    if (largest == -INFINITY) {
      sums_.poisoned = has_nan(row_, begin, end);
      kept_ = false;
      return false;
    }
    if (!set_reference(choose_reference(top_, row_, begin, end, largest))) return false;
    top_.raise_bound(bound_from_maxima(maxima, top_.width()));
    if (row_.has_target() && sums_.target_logit > top_.bound()) offer_target(top_, sums_.target_logit, row_.target);
    started_ = true;
    return true;
  }

  template <class Companion>
  void add_chunk(std::int64_t begin, std::int64_t end, Companion& companion) {
    std::uint64_t hits;
    double sum = sum_blocks<kKeep>(row_, begin, end, relative_, top_.bound(), hits, exponentials_, companion);
    const float risen = __builtin_popcountll(hits) > kManyHits ? raise_bound(row_, begin, end, top_) : -INFINITY;
    const float visited = visit_hits(row_, begin, hits, top_);
    if (outgrows_reference(visited > risen ? visited : risen)) {
      const double before = scaled_logit(scale_, sums_.reference_logit);
      kept_ = false;
      if (!set_reference(max_of_blocks(row_, begin, row_.blocks()))) return;
      sums_.sum_others *= exp(before - scaled_logit(scale_, sums_.reference_logit));
      NoCompanion none;
      sum = sum_blocks<false>(row_, begin, end, relative_, top_.bound(), hits, exponentials_, none);
    }
    sums_.sum_others += sum;
  }

  bool outgrows_reference(float logit) const {
    return logit > sums_.reference_logit &&
           scaled_logit(scale_, logit) - scaled_logit(scale_, sums_.reference_logit) > kReferenceSlack;
  }

  bool set_reference(float logit) {
    sums_.poisoned = !(logit < INFINITY);
    sums_.reference_logit = logit;
    relative_ = RelativeExponential<kScaling>::make(scale_, logit);
    return !sums_.poisoned;
  }

  const Row<Element> row_;
  const LogitScale scale_;
  Candidates top_;
  float* exponentials_;
  RowSums& sums_;
  bool started_ = false;
  bool kept_ = kKeep;
  RelativeExponential<kScaling> relative_;
};

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
