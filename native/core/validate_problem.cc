#include "native/core/validate_problem.h"

#include <algorithm>

namespace fused_bear_loss {
namespace {

// The loops over whole arrays gather one flag instead of leaving early, so that compilers turn them into vector code.
// Only a faulty array is walked a second time, to find its first fault.

bool is_ascending(const std::int32_t* offsets, std::int64_t rows) {
  std::int32_t falls = 0;
  for (std::int64_t row = 0; row < rows; ++row) falls |= offsets[row + 1] < offsets[row];
  return falls == 0;
}

// Without a fault every row's span lies inside allowed_tokens; with one, every row before it does.
ProblemFault find_offsets_fault(const LogitRows& problem, std::int64_t token_count) {
  const std::int32_t* offsets = problem.allowed_offsets;
  const std::int64_t rows = problem.rows;
  if (offsets[0] != 0) return {ProblemError::kAllowedOffsetsRange, rows > 0 ? 0 : -1, offsets[0]};
  if (offsets[rows] == token_count && is_ascending(offsets, rows)) return {};
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t end = offsets[row + 1];
    if (end < offsets[row]) return {ProblemError::kAllowedOffsetsNotAscending, row, end};
    if (end > token_count) return {ProblemError::kAllowedOffsetsRange, row, end};
  }
  return {ProblemError::kAllowedOffsetsRange, rows - 1, offsets[rows]};
}

// Among the first `rows` rows.
ProblemFault find_target_out_of_range(const LossProblem& problem, std::int64_t vocab_size, std::int64_t rows) {
  // As an unsigned number a negative target is above every limit.
  const auto limit = static_cast<std::uint32_t>(std::min<std::int64_t>(vocab_size, std::int64_t{1} << 31));
  const std::int32_t ignored = problem.ignore_index;
  const auto is_outside = [=](std::int32_t target) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(target) >= limit) &
           static_cast<std::int32_t>(target != ignored);
  };
  std::int32_t any = 0;
  for (std::int64_t row = 0; row < rows; ++row) any |= is_outside(problem.targets[row]);
  if (any == 0) return {};
  const std::int32_t* found = std::find_if(problem.targets, problem.targets + rows, is_outside);
  return {ProblemError::kTargetOutOfRange, found - problem.targets, *found};
}

bool is_strictly_ascending(const std::int32_t* tokens, std::int64_t count) {
  std::int32_t falls = 0;
  for (std::int64_t i = 1; i < count; ++i) falls |= tokens[i] <= tokens[i - 1];
  return falls == 0;
}

// Of tokens that are known not to be ids in strictly ascending order.
ProblemFault find_token_fault(const std::int32_t* tokens, std::int64_t count, std::int64_t vocab_size,
                              std::int64_t row) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab_size) return {ProblemError::kAllowedTokenOutOfRange, row, tokens[i]};
    if (i > 0 && tokens[i] <= tokens[i - 1]) return {ProblemError::kAllowedTokensNotAscending, row, tokens[i]};
  }
  return {};
}

ProblemFault find_list_fault(const LogitRows& problem, std::int64_t vocab_size, std::int64_t row) {
  const std::int32_t* tokens = problem.allowed_tokens + problem.allowed_offsets[row];
  const std::int64_t count = problem.allowed_offsets[row + 1] - problem.allowed_offsets[row];
  if (count == 0) return {};
  const bool sound = is_strictly_ascending(tokens, count) && tokens[0] >= 0 && tokens[count - 1] < vocab_size;
  return sound ? ProblemFault{} : find_token_fault(tokens, count, vocab_size, row);
}

ProblemFault find_listed_row_fault(const LossProblem& problem, std::int64_t vocab_size, std::int64_t row) {
  const ProblemFault list_fault = find_list_fault(problem, vocab_size, row);
  if (list_fault.error != ProblemError::kNone) return list_fault;
  const std::int32_t* tokens = problem.allowed_tokens + problem.allowed_offsets[row];
  const std::int64_t count = problem.allowed_offsets[row + 1] - problem.allowed_offsets[row];
  const std::int32_t target = problem.targets[row];
  if (target == problem.ignore_index) return {};
  if (count == 0) return {ProblemError::kAllowedRowEmpty, row, target};
  if (std::binary_search(tokens, tokens + count, target)) return {};
  return {ProblemError::kTargetNotAllowed, row, target};
}

bool has_allowed_bit(const std::uint32_t* words, std::int64_t vocab_size) {
  const std::int64_t full_words = vocab_size / 32;
  if (std::any_of(words, words + full_words, [](std::uint32_t word) { return word != 0; })) return true;
  const std::uint32_t tail = (std::uint32_t{1} << (vocab_size % 32)) - 1; // bits past the vocabulary mean nothing
  return tail != 0 && (words[full_words] & tail) != 0;
}

// The bitmask is that of the part alone, and so is what can be said of it.
ProblemFault find_masked_row_fault(const LossProblem& problem, const VocabularyPart& part, std::int64_t row) {
  const std::int32_t target = problem.targets[row];
  const std::int64_t position = target - part.first_token;
  if (target == problem.ignore_index || position < 0 || position >= problem.vocab_size) return {};
  const std::uint32_t* words = problem.allowed_bitmask + row * bitmask_words(problem.vocab_size);
  if ((words[position >> 5] >> (position & 31) & 1u) != 0) return {};
  const bool empty = problem.vocab_size == part.vocab_size && !has_allowed_bit(words, problem.vocab_size);
  return {empty ? ProblemError::kAllowedRowEmpty : ProblemError::kTargetNotAllowed, row, target};
}

} // namespace

ProblemFault find_fault(const LossProblem& problem, std::int64_t allowed_token_count) {
  return find_fault(problem, allowed_token_count, {0, problem.vocab_size});
}

ProblemFault find_fault(const LossProblem& problem, std::int64_t allowed_token_count, const VocabularyPart& part) {
  // Each check covers only the rows before the fault that is already known: those are safe to read, and what is found
  // among them comes first.
  ProblemFault first;
  std::int64_t rows = problem.rows;
  const auto keep = [&](const ProblemFault& fault) {
    if (fault.error == ProblemError::kNone) return;
    first = fault;
    rows = std::max<std::int64_t>(0, fault.row);
  };
  if (problem.allowed_offsets != nullptr) keep(find_offsets_fault(problem, allowed_token_count));
  keep(find_target_out_of_range(problem, part.vocab_size, rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    if (problem.allowed_offsets != nullptr) keep(find_listed_row_fault(problem, part.vocab_size, row));
    if (problem.allowed_bitmask != nullptr) keep(find_masked_row_fault(problem, part, row));
  }
  return first;
}

ProblemFault find_constraint_fault(const LogitRows& rows, std::int64_t allowed_token_count) {
  if (rows.allowed_offsets == nullptr) return {};
  const ProblemFault offsets_fault = find_offsets_fault(rows, allowed_token_count);
  const bool sound = offsets_fault.error == ProblemError::kNone;
  const std::int64_t readable = sound ? rows.rows : std::max<std::int64_t>(0, offsets_fault.row);
  for (std::int64_t row = 0; row < readable; ++row) {
    const ProblemFault fault = find_list_fault(rows, rows.vocab_size, row);
    if (fault.error != ProblemError::kNone) return fault;
  }
  return offsets_fault;
}

} // namespace fused_bear_loss
