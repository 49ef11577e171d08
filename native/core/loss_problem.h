// One call of the loss, as every backend sees it: plain numbers and pointers, no Node, no CUDA, no threads.
// The formulas behind each option are in docs/math.md; the names are those of the public options.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/logit_rows.h"
#include "native/core/option_names.h"

namespace fused_bear_loss {

struct LossProblem : LogitRows {
  const std::int32_t* targets = nullptr;   // [rows]
  const float* token_weights = nullptr;    // [rows] or null: all 1
  const float* penalty_weights = nullptr;  // [rows] or null: all 1
  const float* grad_output_rows = nullptr; // [rows] or null: grad_output for every row

  Penalty penalty = Penalty::kHinge;
  ThresholdGradient threshold_gradient = ThresholdGradient::kDetach;
  Reduction reduction = Reduction::kMean;
  GradientMode gradient = GradientMode::kOutOfPlace;
  double lambda = 0.25;
  double xi = 1.0;
  double margin = 0.0;
  double label_smoothing = 0.0;
  double z_loss = 0.0;
  double normalizer = 0.0; // 0: the number of counted rows
  double grad_output = 1.0;
  std::int32_t ignore_index = -100;
  // False skips the threshold where only plain cross-entropy is wanted (penalty kNone): no pruned rate, no margin.
  bool pruning_statistics = true;
};

// nvcc's host code declares a member of the bare type with parentheses, of which g++ warns.
using NumberMember = double LossProblem::*;

// An option that is a plain number, by its public name.
struct NumberOption {
  const char* name;
  NumberMember value;
};

// In the order of lib/options/option-table.ts, as they cross by position; compared when the addon is loaded.
inline constexpr NumberOption kNumberOptions[] = {
    {"lambda", &LossProblem::lambda},   {"xi", &LossProblem::xi},
    {"margin", &LossProblem::margin},   {"temperature", &LossProblem::temperature},
    {"softcap", &LossProblem::softcap}, {"labelSmoothing", &LossProblem::label_smoothing},
    {"zLoss", &LossProblem::z_loss},    {"normalizer", &LossProblem::normalizer},
};

// Where the results of a call go. Every pointer may be null where the caller did not ask for it.
// When the gradient is written in place, grad_logits is LossProblem::logits and grad_row_stride is its row_stride.
struct LossOutputs {
  void* grad_logits = nullptr; // [rows, vocab_size] by grad_row_stride, in the dtype of the logits
  std::int64_t grad_row_stride = 0;
  // Whether nobody else reads grad_logits before the call has succeeded. If false, a backend must not write to it while
  // the call can still fail.
  bool grad_is_new = false;
  float* row_losses = nullptr; // [rows], reduction kNone
  float* nll = nullptr;        // [rows], and so are all below: the row statistics
  float* log_sum_exp = nullptr;
  float* threshold = nullptr; // log-probability of the threshold token
  float* margin = nullptr;
  float* penalty = nullptr;
  std::int32_t* rank = nullptr;
};

// Calls `visit(array, elements)` for each input beside the logits.
template <class Visit>
void for_each_row_input(LossProblem& problem, std::int64_t allowed_token_count, const Visit& visit) {
  visit(problem.targets, problem.rows);
  visit(problem.token_weights, problem.rows);
  visit(problem.penalty_weights, problem.rows);
  visit(problem.grad_output_rows, problem.rows);
  visit(problem.allowed_offsets, problem.rows + 1);
  visit(problem.allowed_tokens, allowed_token_count);
  visit(problem.allowed_bitmask, problem.rows * bitmask_words(problem.vocab_size));
}

// Calls `visit(array)` for each output that has an element for each row.
template <class Outputs, class Visit>
void for_each_row_output(Outputs& outputs, const Visit& visit) {
  visit(outputs.row_losses);
  visit(outputs.nll);
  visit(outputs.log_sum_exp);
  visit(outputs.threshold);
  visit(outputs.margin);
  visit(outputs.penalty);
  visit(outputs.rank);
}

// The results of a call over all rows. non_finite_rows is ascending.
struct LossSummary {
  double loss = 0.0; // 0 for reduction kNone
  std::int64_t counted_rows = 0;
  std::int64_t pruned_rows = 0;
  std::int64_t top_ranked_rows = 0; // counted rows with rank 0
  std::vector<std::int64_t> non_finite_rows;
};

} // namespace fused_bear_loss
