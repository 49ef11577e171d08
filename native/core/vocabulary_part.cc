#include "native/core/vocabulary_part.h"

#include <algorithm>

namespace fused_bear_loss {
namespace {

constexpr std::int32_t kIgnored = -2;

} // namespace

LocalIds::LocalIds(const LossProblem& problem, const VocabularyPart& part) {
  const std::int64_t first = part.first_token;
  const std::int64_t last = first + problem.vocab_size;
  targets_.reserve(static_cast<std::size_t>(problem.rows));
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const std::int32_t target = problem.targets[row];
    const bool is_here = target >= first && target < last;
    const std::int32_t local = is_here ? static_cast<std::int32_t>(target - first) : kTargetElsewhere;
    targets_.push_back(target == problem.ignore_index ? kIgnored : local);
  }
  if (problem.allowed_offsets == nullptr) return;
  offsets_.reserve(static_cast<std::size_t>(problem.rows) + 1);
  offsets_.push_back(0);
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const std::int32_t* const end = problem.allowed_tokens + problem.allowed_offsets[row + 1];
    const std::int32_t* token = std::lower_bound(problem.allowed_tokens + problem.allowed_offsets[row], end, first);
    for (; token != end && *token < last; ++token) tokens_.push_back(static_cast<std::int32_t>(*token - first));
    offsets_.push_back(static_cast<std::int32_t>(tokens_.size()));
  }
}

LossProblem LocalIds::apply(const LossProblem& problem) const {
  LossProblem local = problem;
  local.targets = targets_.data();
  local.ignore_index = kIgnored;
  if (problem.allowed_offsets == nullptr) return local;
  local.allowed_offsets = offsets_.data();
  local.allowed_tokens = tokens_.data();
  return local;
}

} // namespace fused_bear_loss
