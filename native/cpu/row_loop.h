// The loop over the rows of a call, shared among threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#include "native/core/backend.h"
#include "native/cpu/thread_pool.h"
#include "native/cpu/tuning.h"

namespace fused_bear_loss {

// What a loop goes over.
struct RowLoop {
  std::int64_t rows;
  std::int64_t logits;                              // that it reads, or what costs as much
  std::int32_t threads;                             // 0: as many as the machine has
  const std::atomic<std::int32_t>* abort = nullptr; // not 0: stop at the next share
};

// Less work than this a thread is not worth waking one up (some 15 to 30 microseconds of it).
constexpr std::int64_t kLogitsPerThread = 1 << 16;
// Shares of a thread, at least, so that a slow one does not keep the others waiting.
constexpr std::int64_t kSharesPerThread = 4;

inline std::int32_t thread_count(const RowLoop& loop) {
  const std::int64_t available = loop.threads > 0 ? loop.threads : available_threads();
  const std::int64_t useful = std::max<std::int64_t>(1, loop.logits / kLogitsPerThread);
  return static_cast<std::int32_t>(std::min({available, useful, std::max<std::int64_t>(1, loop.rows)}));
}

inline std::int64_t rows_per_share(const RowLoop& loop, std::int32_t threads) {
  const std::int64_t logits_per_row = std::max<std::int64_t>(1, loop.logits / std::max<std::int64_t>(1, loop.rows));
  const std::int64_t neighbours = tuning().logits_per_share / logits_per_row;
  return std::max<std::int64_t>(1, std::min(neighbours, loop.rows / (threads * kSharesPerThread)));
}

// Allowed logits of the row that has most.
inline std::int64_t longest_row(const LogitRows& problem) {
  if (problem.allowed_offsets == nullptr) return problem.vocab_size;
  std::int64_t longest = 0;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    longest = std::max<std::int64_t>(longest, problem.allowed_offsets[row + 1] - problem.allowed_offsets[row]);
  }
  return longest;
}

// Calls `work(row)` for every row, on several threads, each with the work that `make_work()` makes there. Making it may
// throw std::bad_alloc, working must not throw: memory runs out before a row is written, or not at all. The calling
// thread has its work before any other thread begins; another that gets none leaves the rows to the rest.
template <class MakeWork>
ComputeStatus run_rows(const RowLoop& loop, const MakeWork& make_work) {
  const std::int32_t threads = thread_count(loop);
  const std::int64_t share = rows_per_share(loop, threads);
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> aborted{false};
  const auto take_shares = [&](auto& work) noexcept {
    while (!aborted.load(std::memory_order_relaxed)) {
      if (loop.abort != nullptr && loop.abort->load(std::memory_order_relaxed) != 0) aborted = true;
      const std::int64_t begin = next.fetch_add(share, std::memory_order_relaxed);
      if (begin >= loop.rows) break;
      const std::int64_t end = std::min(begin + share, loop.rows);
      for (std::int64_t row = begin; row < end; ++row) work(row);
    }
  };
  const auto help = [&] {
    try {
      auto work = make_work();
      take_shares(work);
    } catch (const std::bad_alloc&) {
    }
  };
  try {
    auto work = make_work();
    run_in_parallel(
        threads, [&] { take_shares(work); }, help);
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
  return aborted ? ComputeStatus::kAborted : ComputeStatus::kOk;
}

} // namespace fused_bear_loss
