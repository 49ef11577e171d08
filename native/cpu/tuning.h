// What of the kernel's form depends on a processor's caches and prefetchers, not on its instructions. No choice changes
// a result.
#pragma once

#include <cstdint>

#include "native/cpu/row_kernel.h"

namespace fused_bear_loss {

struct Tuning {
  const char* name; // of the processor family
  Prefetch prefetch;
  // Gradients larger than this are streamed past the caches: the lines that they fill are not read first. Smaller ones
  // would be read from a cache next.
  std::int64_t streamed_gradient_bytes;
  // Rows of at least so many logits are written after their sweep, from their end, which is still in the nearest cache.
  // Shorter ones are written during the sweep of the next row.
  std::int64_t long_row;
  // But those of fewer than so many logits are written during that sweep too, from their logits: the exponentials of
  // two such rows and their logits fit in no cache. In float32 and without options of the gradient.
  std::int64_t recomputed_row;
  // As long_row for streamed gradients, which then come from the logits: kept exponentials of such rows fit in no
  // cache.
  std::int64_t long_streamed_row;
  // Logits that a thread takes at a time, in neighbouring rows: the prefetch of one thread must not pull lines of the
  // other.
  std::int64_t logits_per_share;
};

constexpr std::int64_t kNoLimit = std::int64_t{1} << 62;

// For a processor that nobody has measured.
constexpr Tuning kDefaultTuning = {"default", {16384, 1, 0}, std::int64_t{8} << 20, 1 << 16, 0, 1 << 16, 1 << 18};

// In use: that of this processor's family, or what FUSED_BEAR_LOSS_TUNING asks for. Chosen at the first call.
const Tuning& tuning();

// The family of this processor, whatever the environment asks for; "default" where it has no row of its own.
const char* processor_family();

// As FUSED_BEAR_LOSS_TUNING has it: the name of a family, values that replace its own, or both, as in
// "zen4,prefetchWindow=8192". Empty: the choice for this processor.
const char* tuning_text();

// Why the environment's wish was not followed; empty: it was, or there is none.
const char* tuning_error();

// Replaces the tuning, for benchmarks that compare them in turns; no call may be running. Returns why it did not, or an
// empty string.
const char* force_tuning(const char* text);

} // namespace fused_bear_loss
