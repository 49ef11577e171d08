// A vocabulary that several processes share. Each holds the logits of a range of tokens, hands over what it found in
// each row, and gets back what the parts say together. docs/vocabulary-parallel.md.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/loss_problem.h"

namespace fused_bear_loss {

// The tokens [first_token, first_token + LogitRows::vocab_size) of a vocabulary of vocab_size.
struct VocabularyPart {
  std::int64_t first_token = 0;
  std::int64_t vocab_size = 0;
};

// Bits of a row's flags, of a part's or of all parts together. lib/parallel/row-flags.ts has the same.
enum RowFlag : std::uint8_t {
  kRowPoisoned = 1,       // NaN or +infinity among the allowed logits
  kRowOwnsTarget = 2,     // the target is one of the part's tokens
  kRowIgnored = 4,        // the target is ignore_index; nothing else of the row means anything
  kRowMasked = 8,         // merged: no allowed logit above -infinity, in no part
  kRowSeveralAllowed = 16 // merged: more than one
};

// What a part hands over: [rows] each, or [rows, width]. A is the part's share of the allowed tokens.
struct PartialRows {
  std::int64_t first_token = 0;
  std::int64_t width = 0;                   // min(beam width, tokens of the part)
  float* max_logit = nullptr;               // the largest of A, -infinity where there is none
  double* sum_others = nullptr;             // sum over A without the target of exp(u_j - u_max)
  float* target_logit = nullptr;            // where the part owns the target, else 0
  std::int32_t* counts = nullptr;           // |A|; without label smoothing at most max(width, 2)
  double* sum_differences = nullptr;        // with label smoothing: sum over A of u_j - u_max; else null
  float* candidate_logits = nullptr;        // the largest of A in the order (logit descending, token ascending), then
  std::int32_t* candidate_tokens = nullptr; // -infinity with token -1
  std::uint8_t* flags = nullptr;
};

// What all parts say together: [rows] each.
struct MergedRows {
  std::int64_t first_token = 0;          // of the part that reads this
  const std::int32_t* targets = nullptr; // ids of the whole vocabulary
  const float* max_logit = nullptr;
  const double* sum_others = nullptr; // relative to max_logit
  const float* target_logit = nullptr;
  const float* threshold_logit = nullptr;
  const std::int32_t* threshold_token = nullptr;
  const double* allowed_count = nullptr;   // with label smoothing; else null
  const double* sum_differences = nullptr; // with label smoothing, relative to max_logit; else null
  const std::uint8_t* flags = nullptr;
};

// In the targets of a part's problem: a token that another part holds.
constexpr std::int32_t kTargetElsewhere = -1;

// Targets and lists of a validated problem by the part's own positions.
class LocalIds {
 public:
  // Throws std::bad_alloc.
  LocalIds(const LossProblem& problem, const VocabularyPart& part);

  // The problem with these in place of the caller's.
  LossProblem apply(const LossProblem& problem) const;

 private:
  std::vector<std::int32_t> targets_;
  std::vector<std::int32_t> offsets_;
  std::vector<std::int32_t> tokens_;
};

} // namespace fused_bear_loss
