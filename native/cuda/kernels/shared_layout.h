// The one layout of a block's dynamic shared memory: a state of fixed size, and behind it the row that the block keeps.
#pragma once

#include "native/core/row_math.h"
#include "native/cuda/device_problem.h"

namespace fused_bear_loss::cuda {

constexpr int kMaxThreads = 256;
// Of the kernels that read logits: what the registers of a multiprocessor are shared out to.
constexpr int kBlocksPerMultiprocessor = 3;
constexpr int kMaxWarps = kMaxThreads / 32;
constexpr int kMaxClusterSize = 8; // the largest that every device with clusters has
constexpr int kMaxSlices = kMaxClusterSize;

// A tile is what a block works on at a time. Every thread has so many vectors of it: 64 bytes.
constexpr int kTileVectors = 4;

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

// What a warp, and then a block, knows of a slice.
struct SliceSums {
  double sum_scaled;    // sum of capped logits in A; only with label smoothing
  float max_others;     // over A without the target
  float sum_others;     // of exp2((capped - capped max_others) scale), without the target
  std::int32_t above;   // logits above the target's; only where the rank is asked for
  std::int32_t allowed; // logits above -infinity; only with label smoothing
};

// What a block knows of all its slices.
struct BlockFindings {
  float target_logit;           // of the block that holds the target
  std::int32_t target_position; // -1: the target is in another block
  float bound;                  // the queue's
  std::int32_t queued;          // logits in the queue; above kQueueCapacity: it overflowed
};

// What exponentials are relative to: see exponential_sum.h.
struct ExponentBase {
  float reference;
  float exponent;
};

// What was found in a row, put together in the order of its slices.
struct RowFindings {
  SliceSums total; // without `sum_others`
  BlockFindings all;
  bool has_nan;
  bool overflowed; // some block's queue
};

// The threshold, as the queue or radix selection found it.
struct Threshold {
  float logit;
  std::int32_t effective_width;
  bool several_allowed;
  std::int32_t position; // of the threshold token; -1: nobody asked
};

// The end of a row's sweep.
struct SweptRow {
  RowFindings findings;
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
  SliceSums warps[kMaxSlices * kMaxWarps];
  SliceSums slices[kMaxSlices]; // of the block; where it belongs to a cluster, the first is its own
  BlockFindings findings;
  // From one step of the row's concluding to the next, for the block's first thread.
  SweptRow swept;
  RowSums sums;
  RowLoss loss;
  RowRecord record;
  GradientFactors factors;
  std::uint32_t warp_keys[kMaxWarps];
  std::int32_t warp_equal[kMaxWarps];
  std::int32_t warp_greater[kMaxWarps];
  std::int32_t equal;   // in the block
  std::int32_t greater; //
  std::int32_t queued;
  std::int32_t survivors;
  std::uint32_t selected_bin;
  std::uint32_t above_bin;   // keys in larger bins
  std::uint32_t in_all_bins; //
  std::int32_t threshold_position;
  std::int32_t effective_width;
  float threshold_logit;
};

static_assert(kMaxQueueWidth <= kMaxThreads, "a cut leaves fewer than the width, in the place of maxima");

constexpr std::size_t kRowOffset = (sizeof(BlockState) + 15) / 16 * 16;

} // namespace fused_bear_loss::cuda
