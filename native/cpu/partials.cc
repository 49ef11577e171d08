// What one part of a vocabulary hands over of each row, on the CPU.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "native/core/backend.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/row_loop.h"
#include "native/cpu/row_selection.h"

namespace fused_bear_loss {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class PartialSelector {
 public:
  // Takes all memory that a row can need; `longest_row` is the most logits that are allowed in one. Throws
  // std::bad_alloc, and select() then allocates nothing.
  PartialSelector(const LossProblem& problem, const PartialRows& partials, SelectionScratch& scratch,
                  std::int64_t longest_row)
      : problem_(problem), partials_(partials), scratch_(scratch), scale_{problem.temperature, problem.softcap} {
    if (is_constrained(problem)) reserve(scratch_.row, longest_row);
    scratch_.reserve_selection(search_width(longest_row));
  }

  void select(std::int64_t row) {
    const std::int32_t target = problem_.targets[row];
    if (target == problem_.ignore_index) return write_empty(row, kRowIgnored);
    RowView view = allowed_logits(problem_, row, scratch_.row);
    view.target = target_in_view(problem_, row, target);
    const auto owned = static_cast<std::uint8_t>(target != kTargetElsewhere ? kRowOwnsTarget : 0);
    TopTokensFound found;
    TokenKey* const keys = scratch_.keys.data();
    if (view.count > 0) {
      kernel_.select(view, scale_, search_width(view.count), scratch_.candidates.data(), keys, found);
    }
    if (found.poisoned || found.count == 0) {
      write_empty(row, static_cast<std::uint8_t>(owned | (found.poisoned ? kRowPoisoned : 0)));
    } else {
      write_sums(row, view, found);
      write_candidates(row, keys, found.count);
      partials_.flags[row] = owned;
    }
    partials_.target_logit[row] = owned != 0 ? found.target_logit : 0;
  }

 private:
  // Two at least, which tells a row with a single allowed token from others.
  std::int64_t search_width(std::int64_t count) const {
    return std::min(std::max<std::int64_t>(partials_.width, 2), count);
  }

  void write_sums(std::int64_t row, const RowView& view, const TopTokensFound& found) {
    const double reference = scaled_logit(scale_, static_cast<double>(found.reference_logit));
    const double largest = scaled_logit(scale_, static_cast<double>(found.max_logit));
    partials_.max_logit[row] = found.max_logit;
    partials_.sum_others[row] = found.sum * std::exp(reference - largest);
    partials_.counts[row] = static_cast<std::int32_t>(found.count);
    if (partials_.sum_differences == nullptr) return;
    RowSums sums;
    sums.reference_logit = found.max_logit;
    row_kernel().sum_differences(view, scale_, sums);
    partials_.counts[row] = static_cast<std::int32_t>(sums.allowed_count);
    partials_.sum_differences[row] = sums.sum_differences;
  }

  void write_candidates(std::int64_t row, TokenKey* keys, std::int64_t found) {
    const std::int64_t count = std::min(found, partials_.width);
    std::partial_sort(keys, keys + count, keys + found, std::greater<>());
    float* const logits = partials_.candidate_logits + row * partials_.width;
    std::int32_t* const tokens = partials_.candidate_tokens + row * partials_.width;
    const std::int32_t* const listed = problem_.allowed_offsets == nullptr ? nullptr : token_list(problem_, row).tokens;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t position = position_of(keys[i]);
      logits[i] = kernel_.logit_of(keys[i]);
      tokens[i] = static_cast<std::int32_t>(partials_.first_token + (listed == nullptr ? position : listed[position]));
    }
    clear_candidates(row, count);
  }

  void clear_candidates(std::int64_t row, std::int64_t begin) {
    const std::int64_t first = row * partials_.width;
    std::fill(partials_.candidate_logits + first + begin, partials_.candidate_logits + first + partials_.width,
              -kInfinity);
    std::fill(partials_.candidate_tokens + first + begin, partials_.candidate_tokens + first + partials_.width, -1);
  }

  void write_empty(std::int64_t row, std::uint8_t flags) {
    partials_.max_logit[row] = -kInfinity;
    partials_.sum_others[row] = 0;
    partials_.target_logit[row] = 0;
    partials_.counts[row] = 0;
    if (partials_.sum_differences != nullptr) partials_.sum_differences[row] = 0;
    partials_.flags[row] = flags;
    clear_candidates(row, 0);
  }

  const LossProblem& problem_;
  const PartialRows& partials_;
  SelectionScratch& scratch_;
  const LogitScale scale_;
  const TopTokensKernel& kernel_ = top_tokens_kernel();
};

} // namespace

ComputeStatus compute_partials(const LossProblem& problem, const PartialRows& partials) {
  if (problem.rows == 0) return ComputeStatus::kOk;
  const std::int64_t longest = longest_row(problem);
  return run_rows({problem.rows, logits_to_read(problem), problem.threads}, [&] {
    return [selector = PartialSelector(problem, partials, thread_selection_scratch(), longest)](
               std::int64_t row) mutable { selector.select(row); };
  });
}

} // namespace fused_bear_loss
