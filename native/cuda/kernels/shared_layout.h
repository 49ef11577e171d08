// The one layout of a block's dynamic shared memory: a state of fixed size, and behind it the row that the block keeps.
#pragma once

#include "native/cuda/device_problem.h"

namespace fused_bear_loss::cuda {

constexpr int kMaxThreads = 256;
// Of the kernels that read logits: what the registers of a multiprocessor are shared out to.
constexpr int kBlocksPerMultiprocessor = 3;
// Of rows without options, where no gradient is written.
constexpr int kForwardBlocksPerMultiprocessor = 4;
constexpr int kMaxWarps = kMaxThreads / 32;

// A tile is what a block works on at a time. Every thread has so many vectors of it: 64 bytes.
constexpr int kLog2TileVectors = 2;
constexpr int kTileVectors = 1 << kLog2TileVectors;

// How many threads have some of a tile's vectors: a warp takes its neighbours before the next warp does.
FBL_SHARED_INLINE int busy_threads(int vectors) {
  constexpr int kWarpVectors = kTileVectors * 32;
  const int rest = vectors % kWarpVectors;
  return vectors / kWarpVectors * 32 + (rest < 32 ? rest : 32);
}

// The reference of a sum of exponentials is replaced where a logit is 2^8 times as probable; sums relative to it stay
// far from overflow.
constexpr float kReferenceSlack = 8;

// Beam widths up to this are found by the filtered queue, larger ones by radix selection.
constexpr int kMaxQueueWidth = 256;
// Logits that the queue holds before it is cut down; where it overflows all the same, the row is left to radix
// selection.
constexpr int kQueueCapacity = 1024;
// Until the next check the queue of a row in random order doubles: from here on with some 250 places to spare.
constexpr int kQueuePruneCount = kQueueCapacity * 3 / 8;
// Selection among so few takes one comparison of each with each; among more, radix selection.
constexpr int kMaxRankedCount = 256;

constexpr int kRadixBins = 256;
// Logits crowd into a few bins: four counters for each keep the lanes of a warp apart.
constexpr int kRadixCopies = 4;

// What a thread, a warp and then the block found in a sweep.
struct SweepSums {
  double sum_scaled;    // sum of capped logits in A; only with label smoothing
  float max_others;     // over A without the target
  float sum_others;     // of exp2((capped - capped max_others) scale), without the target
  std::int32_t above;   // logits above the target's; only where the rank is asked for
  std::int32_t allowed; // logits above -infinity; only with label smoothing
};

// Where a sweep came across the target.
struct FoundTarget {
  float logit;
  std::int32_t position; // -1: it did not
};

// What exponentials are relative to: see exponential_sum.h.
struct ExponentBase {
  float reference;
  float exponent;
};

// The threshold, as the queue or radix selection found it.
struct Threshold {
  float logit;
  std::int32_t effective_width;
  bool several_allowed;
  std::int32_t position; // of the threshold token; -1: nobody asked
};

// The end of a row's sweep. Its sums and its target are in BlockState.
struct SweptRow {
  Threshold threshold;
  bool poisoned;
};

// How a row's exponentials become its gradient, all factors included.
struct GradientFactors {
  float constant;
  float offset;
  float target;
  float threshold;
  ExponentBase base;
  std::int32_t target_position;
  std::int32_t threshold_position;
  std::int32_t kind; // a GradientKind
  std::int32_t all_masked;
};

struct BlockState {
  alignas(16) std::uint32_t histogram[kRadixBins * kRadixCopies];
  std::uint32_t queue[kQueueCapacity]; // ordered keys
  std::uint32_t maxima[kMaxThreads];   // ordered keys; also the survivors of a cut
  SweepSums warps[kMaxWarps];
  SweepSums sums;            // of the row
  std::int32_t target_token; // of a plain row
  FoundTarget target;
  SweptRow swept; // for the block's first thread
  GradientFactors factors;
  std::uint32_t warp_keys[kMaxWarps];
  std::int32_t warp_equal[kMaxWarps];
  std::int32_t warp_greater[kMaxWarps];
  std::uint8_t owners[kMaxWarps][32]; // threads of a warp whose logits are looked at again
  std::int32_t queued;
  std::int32_t survivors;
  std::uint32_t selected_bin;
  std::uint32_t above_bin;   // keys in larger bins
  std::uint32_t in_all_bins; //
  std::int32_t threshold_position;
};

static_assert(kMaxQueueWidth <= kMaxThreads, "a cut leaves fewer than the width, in the place of maxima");

constexpr std::size_t kRowOffset = (sizeof(BlockState) + 15) / 16 * 16;

} // namespace fused_bear_loss::cuda
