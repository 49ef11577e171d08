// All rows of a topTokens call on the CPU.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "native/core/backend.h"
#include "native/cpu/row_loop.h"
#include "native/cpu/row_selection.h"
#include "native/cpu/top_tokens.h"

namespace fused_bear_loss {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class RowSelector {
 public:
  // Takes all memory that a row can need; `longest_row` is the most logits that are allowed in one. Throws
  // std::bad_alloc, and select() then allocates nothing: what has been written stays valid.
  RowSelector(const TopTokensProblem& problem, const TopTokensOutputs& outputs, SelectionScratch& scratch,
              std::int64_t longest_row)
      : problem_(problem), outputs_(outputs), scratch_(scratch), scale_{problem.temperature, problem.softcap} {
    if (is_constrained(problem) && !problem.listed_logits) reserve(scratch_.row, longest_row);
    scratch_.reserve_selection(std::min(problem.beam_width, longest_row));
  }

  void select(std::int64_t row) {
    const RowView view = view_of(row);
    const std::int64_t width = std::min(problem_.beam_width, view.count);
    TopTokensFound found;
    TokenKey* const keys = scratch_.keys.data();
    if (width > 0) kernel_.select(view, scale_, width, scratch_.candidates.data(), keys, found);
    std::sort(keys, keys + found.count, std::greater<>());
    write(row, keys, found);
  }

 private:
  RowView view_of(std::int64_t row) {
    if (!problem_.listed_logits) return allowed_logits(problem_, row, scratch_.row);
    const std::int64_t entry = problem_.allowed_offsets[row] - problem_.allowed_offsets[0];
    return {element_at(problem_, entry), problem_.dtype, token_list(problem_, row).count, kNoTarget, tuning().prefetch};
  }

  void write(std::int64_t row, const TokenKey* keys, const TopTokensFound& found) {
    const double reference = scaled_logit(scale_, static_cast<double>(found.reference_logit));
    // Apart from the reference, beside which it may be too small for any digit of log-sum-exp.
    const double log_sum = std::log(found.sum);
    const double log_sum_exp = found.count == 0 ? -std::numeric_limits<double>::infinity() : reference + log_sum;
    std::int32_t* const tokens = outputs_.tokens + row * problem_.beam_width;
    float* const log_probabilities = outputs_.log_probabilities + row * problem_.beam_width;
    const std::int32_t* const listed = problem_.allowed_offsets == nullptr ? nullptr : token_list(problem_, row).tokens;
    for (std::int64_t i = 0; i < found.count; ++i) {
      const auto position = static_cast<std::int32_t>(position_of(keys[i]));
      tokens[i] = listed == nullptr ? position : listed[position];
      const double scaled = scaled_logit(scale_, static_cast<double>(kernel_.logit_of(keys[i])));
      log_probabilities[i] = static_cast<float>(scaled - reference - log_sum);
    }
    std::fill(tokens + found.count, tokens + problem_.beam_width, -1);
    std::fill(log_probabilities + found.count, log_probabilities + problem_.beam_width,
              found.poisoned ? kNaN : -kInfinity);
    outputs_.log_sum_exp[row] = found.poisoned ? kNaN : static_cast<float>(log_sum_exp);
  }

  const TopTokensProblem& problem_;
  const TopTokensOutputs& outputs_;
  SelectionScratch& scratch_;
  const LogitScale scale_;
  const TopTokensKernel& kernel_ = top_tokens_kernel();
};

} // namespace

void reserve_top_tokens(const TopTokensProblem& problem) {
  const RowSelector reserved(problem, {}, thread_selection_scratch(), longest_row(problem));
}

ComputeStatus compute_top_tokens(const TopTokensProblem& problem, const TopTokensOutputs& outputs) {
  if (problem.rows == 0) return ComputeStatus::kOk;
  const std::int64_t longest = longest_row(problem);
  // Reading, and writing a row's results.
  const std::int64_t work = logits_to_read(problem) + problem.rows * problem.beam_width;
  return run_rows({problem.rows, work, problem.threads}, [&] {
    return [selector = RowSelector(problem, outputs, thread_selection_scratch(), longest)](std::int64_t row) mutable {
      selector.select(row);
    };
  });
}

} // namespace fused_bear_loss
