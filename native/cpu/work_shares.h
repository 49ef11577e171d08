// How the rows of a call are shared among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>

namespace fused_bear_loss {

// Less work than this a thread is not worth waking one up (some 15 to 30 microseconds of it).
constexpr std::int64_t kLogitsPerThread = 1 << 16;
// Logits that a thread takes at a time, in whole rows.
constexpr std::int64_t kLogitsPerShare = 1 << 14;

// Threads for a call that has so many rows and reads so many logits; `wanted` 0: as many as the machine has.
inline std::int32_t thread_count(std::int32_t wanted, std::int64_t rows, std::int64_t logits) {
  const std::int64_t available = wanted > 0 ? wanted : std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  const std::int64_t useful = std::max<std::int64_t>(1, logits / kLogitsPerThread);
  return static_cast<std::int32_t>(std::min({available, useful, std::max<std::int64_t>(1, rows)}));
}

inline std::int64_t rows_per_share(std::int64_t rows, std::int64_t logits) {
  const std::int64_t logits_per_row = std::max<std::int64_t>(1, logits / std::max<std::int64_t>(1, rows));
  return std::max<std::int64_t>(1, kLogitsPerShare / logits_per_row);
}

} // namespace fused_bear_loss
