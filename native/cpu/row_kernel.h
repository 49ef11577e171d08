// The vector work on one row: what is compiled once per instruction set and chosen at run time.
#pragma once

#include <cstdint>

#include "native/core/row_math.h"

namespace fused_bear_loss {

// A target past every row: none.
constexpr std::int64_t kNoTarget = std::int64_t{1} << 62;

// How a sweep asks for the logits that it comes to next. While it reads a window of memory, it prefetches the next
// window into the second-level cache: `streams` equal parts of it in turn, a block of each, as a processor that
// prefetches by itself does so within a page of memory, and several pages at once. With one stream that is a distance.
// Both are powers of two.
struct Prefetch {
  std::int64_t window_bytes = 16384;
  std::int64_t streams = 1;
  // What lies so far ahead goes into the first-level cache; 0: nothing does.
  std::int64_t near_bytes = 0;
};
constexpr std::int64_t kMostPrefetchStreams = 16;
constexpr std::int64_t kLeastPrefetchWindow = 4096;

// A row as the kernel reads it: contiguous logits, every one of them allowed unless it is -infinity.
struct RowView {
  const void* logits;
  DType dtype;
  std::int64_t count;
  std::int64_t target; // position in the row, or kNoTarget
  Prefetch prefetch = {};
};

// Where the kernel writes a row's gradient: `count` elements, perhaps over the logits themselves.
struct GradientView {
  void* gradient;
  DType dtype;
  bool stream;   // past the caches: the whole gradient is larger than they are
  bool from_end; // unless it is written during another row's sweep
};

struct SweepOptions {
  LogitScale scale;
  std::int64_t beam_width;
  bool label_smoothing; // also find allowed_count and sum_differences
};

// How an exponential becomes a gradient entry, reduction and upstream gradient included, but not softcap' / tau:
//   g_j = (exponential exp(u_j - u_reference) + offset) softcap'(z_j) / tau
struct GradientFactors {
  LogitScale scale;
  float reference_logit;
  double exponential;
  double offset;
};

// An entry of the gradient that is not the formula's: the target's, and with `flow` the threshold token's.
struct GradientTerm {
  std::int64_t position; // -1: none
  float value;
};

// A swept row whose gradient is to be written. The terms are the kernel's to store, since a later store would read the
// lines back that were streamed past the caches.
struct GradientJob {
  RowView row;
  const float* exponentials; // as sweep() kept them, or null
  GradientFactors factors;
  GradientView out;
  GradientTerm terms[2];
  bool prefetches; // the logits: they are in no near cache, as other rows have been swept since
};

struct RowKernel {
  // Whether sweep() writes pending gradients of such rows that have no exponentials on the way, too, and not first.
  bool (*can_recompute)(DType dtype, const LogitScale& scale);
  // Floats that `candidates` of sweep() must hold.
  std::int64_t (*candidate_capacity)(std::int64_t beam_width);
  // Finds everything that the loss of the row needs, in one pass over the logits. Where `exponentials` is given, keeps
  // exp(u_j - u_reference) there, in whole blocks of 64, and returns whether it could. Where `pending` is given, writes
  // that gradient, of a row swept before, on the way.
  bool (*sweep)(const RowView& row, const SweepOptions& options, float* candidates, float* exponentials,
                const GradientJob* pending, RowSums& sums);
  void (*write_gradient)(const GradientJob& job);
  // Finds allowed_count and sum_differences, relative to sums.reference_logit, of a row without NaN and +infinity.
  void (*sum_differences)(const RowView& row, const LogitScale& scale, RowSums& sums);
  // Number of logits above the limit.
  std::int64_t (*count_above)(const RowView& row, float limit);
  // Position of the number-th (from 0) logit that equals `logit`.
  std::int64_t (*find_equal)(const RowView& row, float logit, std::int64_t number);
  // A contiguous float32 row of the chosen logits; of a bitmask's, with -infinity for the others.
  void (*gather)(const void* logits, DType dtype, const std::int32_t* tokens, std::int64_t count, float* out);
  void (*apply_bitmask)(const void* logits, DType dtype, const std::uint32_t* bitmask, std::int64_t count, float* out);
  // Makes streamed stores visible to other threads.
  void (*finish)();
};

#define FBL_DECLARE_ROW_KERNEL(instruction_set) \
  namespace instruction_set {                   \
  extern const RowKernel row_kernel;            \
  }
FBL_DECLARE_ROW_KERNEL(baseline)
FBL_DECLARE_ROW_KERNEL(avx2)
FBL_DECLARE_ROW_KERNEL(avx512)
FBL_DECLARE_ROW_KERNEL(neon)
#undef FBL_DECLARE_ROW_KERNEL

} // namespace fused_bear_loss
