// What the launches of the loss share with the kernels and with the host code around them. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/core/loss_problem.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss::cuda {

// A call whose arrays are on a device: every pointer of `problem` and `outputs` is null or device memory. `threads` of
// the problem means nothing here.
struct DeviceProblem {
  LossProblem problem;
  std::int64_t allowed_token_count = 0; // length of allowed_tokens: offsets in device memory are not trusted
  LossOutputs outputs;
  float* loss = nullptr; // [1], or null; written for every reduction but kNone
};

// The results of all rows together, at the beginning of the workspace. Complete when enqueue_end() has run.
struct DeviceSummary {
  double loss;    // 0 for reduction kNone
  double divisor; // of the reduction
  std::int64_t counted_rows;
  std::int64_t pruned_rows;
  std::int64_t top_ranked_rows;
  std::int64_t non_finite_rows; // how many; which ones they are is in the row flags
  // The first fault in row order. Its row, and every other faulty row, counts as poisoned: NaN in all its outputs.
  std::int64_t fault_row; // -1: none
  std::int64_t fault_value;
  std::int32_t fault_error; // a ProblemError
  std::uint32_t unused;
  std::uint64_t fault_row_complement; // of kernels only: largest for the first faulty row
};

// Bits of a row's flags.
enum RowFlag : std::uint8_t {
  kRowCounted = 1, // the target is not ignore_index
  kRowPruned = 2,
  kRowTopRanked = 4,
  kRowNonFinite = 8, // belongs into LossSummary::non_finite_rows
  kRowPoisoned = 16, // NaN or +infinity in A, or no finite logit in A, or faulty
  kRowSeveralAllowed = 32,
  kRowFaulty = 64,
};

// A row between its sweep and its gradient, and until the sums over all rows are taken.
struct RowRecord {
  double loss;   // before token weight and reduction
  double weight; // w of kReweight
  // The gradient by a logit z_j in A, before softcap' / tau and before upstream gradient, token weight and divisor:
  //   probability exp(u_j - u_reference) + offset; entries of the target and of the threshold token in full.
  double probability;
  double offset;
  double target;
  double threshold;
  std::int64_t target_position;    // in the row, or in the row's list where the constraint lists its tokens
  std::int64_t threshold_position; // -1: the threshold has no entry of its own
  float reference;                 // capped logit that exponentials are relative to
  std::uint32_t all_masked;        // A has no member at all (and the row is poisoned)
};

// What the first kernel read of a row's target and list and found sound. Later kernels take it from here: the caller's
// memory may have changed, and what was checked once must not be read again as an index. All zero for a faulty row.
struct alignas(16) RowInput {
  std::int32_t target; // 0 where the row is ignored
  std::int32_t list_begin;
  std::int32_t list_count;
  std::uint32_t flags; // those of RowFlag that are known before the sweep; Workspace::flags has them as well
};

// Where a call keeps what lives from its first kernel to its last. The memory is the caller's, 16-byte aligned, and
// need not be cleared.
struct Workspace {
  DeviceSummary* summary; // [1]
  RowInput* inputs;       // [rows]
  RowRecord* records;     // [rows]
  std::uint8_t* flags;    // [rows], of RowFlag
};

inline std::size_t workspace_bytes(std::int64_t rows) {
  return sizeof(DeviceSummary) +
         static_cast<std::size_t>(rows) * (sizeof(RowRecord) + sizeof(RowInput) + sizeof(std::uint8_t));
}

inline Workspace workspace_at(void* memory, std::int64_t rows) {
  char* const bytes = static_cast<char*>(memory);
  char* const inputs = bytes + sizeof(DeviceSummary);
  char* const records = inputs + static_cast<std::size_t>(rows) * sizeof(RowInput);
  char* const flags = records + static_cast<std::size_t>(rows) * sizeof(RowRecord);
  return {reinterpret_cast<DeviceSummary*>(bytes), reinterpret_cast<RowInput*>(inputs),
          reinterpret_cast<RowRecord*>(records), reinterpret_cast<std::uint8_t*>(flags)};
}

static_assert(sizeof(DeviceSummary) % alignof(RowInput) == 0, "the inputs follow the summary");
static_assert(sizeof(RowInput) % alignof(RowRecord) == 0, "the records follow the inputs");

} // namespace fused_bear_loss::cuda
