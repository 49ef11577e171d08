#include "native/cpu/row_processor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "native/core/dtype.h"
#include "native/cpu/allowed_logits.h"
#include "native/cpu/tuning.h"

namespace fused_bear_loss {
namespace {

constexpr std::uintptr_t kPageBytes = 4096;
constexpr std::uintptr_t kLineBytes = 64;
// Floats: the kernel keeps exponentials in whole blocks of 64, and a page is left to place them in.
constexpr std::int64_t kKeptSlack = 64 + std::int64_t{kPageBytes / sizeof(float)};

// The place in `scratch` that is half a page off the row's place in its page, and begins a cache line. A processor
// takes a load for one that waits for an earlier store where the last 12 bits of their addresses agree: in place, 2 to
// 4 % of the call.
float* place_beside(std::vector<float>& scratch, const void* row) {
  const auto base = reinterpret_cast<std::uintptr_t>(scratch.data());
  const std::uintptr_t wanted = (reinterpret_cast<std::uintptr_t>(row) + kPageBytes / 2) & ~(kLineBytes - 1);
  return scratch.data() + (wanted - base) % kPageBytes / sizeof(float);
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Scratch memory stays with the thread: a fresh row of 128k floats a call costs more in page faults than its sweep.
struct Scratch {
  std::vector<float> row;
  std::vector<float> gradient;
  std::vector<float> candidates;
  std::vector<float> exponentials[2];
};

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

float load_logit(const void* row, DType dtype, std::int64_t position) {
  float logit = 0;
  with_element(dtype, [&](auto element) { logit = to_float(static_cast<const decltype(element)*>(row)[position]); });
  return logit;
}

// Whether the factor of the exponentials is below the normal floats.
bool is_too_small(const GradientFactors& factors) {
  const double factor = std::fabs(factors.exponential / factors.scale.temperature);
  return factor > 0 && factor < double{std::numeric_limits<float>::min()};
}

// About where logits scale to u; -infinity or infinity where the softcap lets none do so.
float logit_at(const LogitScale& scale, double u) {
  const double capped = u * scale.temperature;
  return static_cast<float>(scale.softcap > 0 ? scale.softcap * std::atanh(capped / scale.softcap) : capped);
}

// Makes the sums relative to about the log-sum-exp of the others, where a target far above them is the reference:
// relative to that, their exponentials would vanish in float32.
void move_from_certain_target(const LogitScale& scale, RowSums& sums) {
  constexpr double kVanishing = 1e-30;
  if (sums.target_logit < sums.reference_logit || sums.sum_others == 0 || sums.sum_others > kVanishing) return;
  const double target = scaled_logit(scale, sums.target_logit);
  const float reference = logit_at(scale, target + std::log(sums.sum_others));
  if (!std::isfinite(reference)) return;
  const double distance = target - scaled_logit(scale, reference);
  sums.reference_logit = reference;
  sums.sum_others *= std::exp(distance);
  sums.sum_differences += sums.allowed_count * distance;
}

// What exponentials are relative to where the factor of the sweep's reference is too small. No logit but the target is
// more than e^40 times as probable as that reference. Relative to a target much further away, the others would vanish.
float larger_reference(const LogitScale& scale, const RowSums& sums) {
  constexpr double kFar = 80;
  const double distance = scaled_logit(scale, sums.max_logit) - scaled_logit(scale, sums.reference_logit);
  if (sums.target_logit < sums.max_logit || distance < kFar) return sums.max_logit;
  const float halfway = logit_at(scale, scaled_logit(scale, sums.max_logit) - distance / 2);
  return std::isfinite(halfway) ? halfway : sums.max_logit;
}

} // namespace

RowProcessor::RowProcessor(const LossProblem& problem, const MergedRows* merged, const LossOutputs& outputs,
                           const RowKernel& kernel, bool stream, std::int64_t longest_row)
    : problem_(problem),
      merged_(merged),
      outputs_(outputs),
      kernel_(kernel),
      stream_(stream),
      options_{{problem.temperature, problem.softcap},
               problem.pruning_statistics ? problem.beam_width : 1,
               problem.label_smoothing > 0},
      can_recompute_(merged == nullptr && !stream && !is_constrained(problem) && problem.label_smoothing == 0 &&
                     problem.reduction != Reduction::kWeightedMean &&
                     kernel.can_recompute(problem.dtype, options_.scale)),
      row_scratch_(thread_scratch().row),
      gradient_scratch_(thread_scratch().gradient),
      candidates_(thread_scratch().candidates),
      exponentials_(thread_scratch().exponentials) {
  reserve_scratch(longest_row);
}

void RowProcessor::reserve_scratch(std::int64_t longest_row) {
  if (is_constrained(problem_)) reserve(row_scratch_, longest_row);
  if (is_listed() && problem_.gradient != GradientMode::kNone && !is_compact()) reserve(gradient_scratch_, longest_row);
  if (merged_ == nullptr) {
    reserve(candidates_, kernel_.candidate_capacity(std::min(options_.beam_width, longest_row)));
  }
  if (!keeps_exponentials(longest_row)) return;
  reserve(exponentials_[0], longest_row + kKeptSlack);
  if (may_wait(longest_row)) reserve(exponentials_[1], longest_row + kKeptSlack);
}

char* RowProcessor::gradient_row(std::int64_t row) const {
  const std::int64_t first = is_compact() ? problem_.allowed_offsets[row] : row * outputs_.grad_row_stride;
  return static_cast<char*>(outputs_.grad_logits) + first * element_size(problem_.dtype);
}

void* RowProcessor::listed_gradient(std::int64_t row) {
  return is_compact() ? static_cast<void*>(gradient_row(row)) : gradient_scratch_.data();
}

double RowProcessor::lambda(std::int64_t row) const {
  return problem_.penalty_weights == nullptr ? problem_.lambda
                                             : problem_.lambda * static_cast<double>(problem_.penalty_weights[row]);
}

// Makes view_ the row's allowed logits.
void RowProcessor::prepare(std::int64_t row) {
  if (row == prepared_row_) return;
  prepared_row_ = row;
  view_ = allowed_logits(problem_, row, row_scratch_);
  view_.target = target_in_view(problem_, row, problem_.targets[row]);
}

void RowProcessor::forward(std::int64_t row, RowRecord& record) {
  record = RowRecord{};
  if (!is_counted(row)) return clear_statistics(row, 0);
  if (merged_ == nullptr) {
    sweep(row, record.sums);
  } else {
    read_merged(row, record.sums);
  }

  RowSummary& summary = record.summary;
  summary.counted = true;
  summary.poisoned = record.sums.poisoned;
  summary.several_allowed = record.sums.several_allowed;
  if (summary.poisoned) {
    summary.non_finite = true;
    summary.loss = std::numeric_limits<double>::quiet_NaN();
    return clear_statistics(row, kNaN);
  }
  record.loss = evaluate_row(problem_, record.sums, lambda(row));
  summary.loss = record.loss.loss;
  summary.weight = record.loss.penalty.weight;
  summary.non_finite = std::isinf(record.sums.target_logit);
  summary.pruned = problem_.pruning_statistics && record.sums.threshold_logit > record.sums.target_logit;
  summary.top_ranked = record.sums.target_logit >= record.sums.max_logit;
  write_statistics(row, record);
}

void RowProcessor::sweep(std::int64_t row, RowSums& sums) {
  prepare(row);
  SweepOptions options = options_;
  options.beam_width = std::min(options.beam_width, view_.count);
  kept_ = keeps_exponentials(view_.count) ? place_beside(exponentials_[exponentials_in_use_], view_.logits) : nullptr;
  const GradientJob* const pending = pending_ ? &*pending_ : nullptr;
  kept_row_ = kernel_.sweep(view_, options, candidates_.data(), kept_, pending, sums) ? row : -1;
  pending_.reset();
}

// What the sweeps of all parts found. The rank is not known: write_statistics() counts the part's share of it.
void RowProcessor::read_merged(std::int64_t row, RowSums& sums) {
  const MergedRows& merged = *merged_;
  sums.target_logit = merged.target_logit[row];
  sums.reference_logit = merged.max_logit[row];
  sums.max_logit = merged.max_logit[row];
  sums.sum_others = merged.sum_others[row];
  sums.threshold_logit = merged.threshold_logit[row];
  sums.several_allowed = (merged.flags[row] & kRowSeveralAllowed) != 0;
  sums.poisoned = (merged.flags[row] & (kRowPoisoned | kRowMasked)) != 0;
  if (options_.label_smoothing) {
    sums.allowed_count = merged.allowed_count[row];
    sums.sum_differences = merged.sum_differences[row];
  }
  if (!sums.poisoned) move_from_certain_target(options_.scale, sums);
  if (outputs_.rank != nullptr && !sums.poisoned) prepare(row);
}

void RowProcessor::write_statistics(std::int64_t row, const RowRecord& record) {
  const RowLoss& loss = record.loss;
  const double threshold = log_probability(options_.scale, record.sums, loss, record.sums.threshold_logit);
  const bool known = problem_.pruning_statistics;
  if (outputs_.nll != nullptr) outputs_.nll[row] = static_cast<float>(loss.nll);
  if (outputs_.log_sum_exp != nullptr) outputs_.log_sum_exp[row] = static_cast<float>(loss.log_sum_exp);
  if (outputs_.threshold != nullptr) outputs_.threshold[row] = known ? static_cast<float>(threshold) : kNaN;
  if (outputs_.margin != nullptr) outputs_.margin[row] = known ? static_cast<float>(loss.margin) : kNaN;
  if (outputs_.penalty != nullptr) outputs_.penalty[row] = static_cast<float>(loss.penalty.value);
  if (outputs_.rank != nullptr) {
    const std::int64_t rank = record.sums.target_rank;
    outputs_.rank[row] =
        static_cast<std::int32_t>(rank >= 0 ? rank : kernel_.count_above(view_, record.sums.target_logit));
  }
}

void RowProcessor::clear_statistics(std::int64_t row, float value) {
  for (float* column : {outputs_.nll, outputs_.log_sum_exp, outputs_.threshold, outputs_.margin, outputs_.penalty}) {
    if (column != nullptr) column[row] = value;
  }
  if (outputs_.rank != nullptr) outputs_.rank[row] = -1;
}

// One exponential a logit instead of two, but twice the memory to go through: no gain for a streamed row that is
// written after its sweep or recomputed, and nothing to keep for where all rows are swept before the first gradient.
bool RowProcessor::keeps_exponentials(std::int64_t count) const {
  return merged_ == nullptr && problem_.gradient != GradientMode::kNone &&
         problem_.reduction != Reduction::kWeightedMean && problem_.label_smoothing == 0 &&
         !(stream_ && !may_wait(count)) && !is_recomputed(count);
}

void RowProcessor::gradient(std::int64_t row, const RowRecord& record, double divisor) {
  if (write_special_gradient(row, record.summary)) return;
  prepare(row);
  const GradientJob job = gradient_job(row, record, divisor);
  if (is_recomputed(job.row.count)) {
    pending_ = job;
    return;
  }
  if (job.exponentials != nullptr && may_wait(job.row.count)) {
    pending_ = job;
    exponentials_in_use_ ^= 1;
    return;
  }
  kernel_.write_gradient(job);
  if (is_listed()) scatter(row);
}

// Whether the gradient of a row of so many logits can be written while the next row is swept, where nothing is needed
// for it but the exponentials.
bool RowProcessor::may_wait(std::int64_t count) const {
  return !is_listed() && count < (stream_ ? tuning().long_streamed_row : tuning().long_row);
}

// Whether the gradient of a row of so many logits is written from them while the next row is swept.
bool RowProcessor::is_recomputed(std::int64_t count) const {
  return can_recompute_ && count >= tuning().long_row && count < tuning().recomputed_row;
}

void RowProcessor::finish() {
  if (pending_) kernel_.write_gradient(*pending_);
  pending_.reset();
  kernel_.finish();
}

// Rows whose gradient is not the formula's; false for others.
bool RowProcessor::write_special_gradient(std::int64_t row, const RowSummary& summary) {
  const bool forced = problem_.reduction == Reduction::kWeightedMean && !summary.several_allowed;
  if (summary.poisoned) {
    write_poisoned_gradient(row);
  } else if (!summary.counted || forced) {
    write_zero_gradient(row);
  } else {
    return false;
  }
  return true;
}

// Element number effective_width of A in the order (logit descending, token ascending).
RowProcessor::ThresholdToken RowProcessor::threshold_token(std::int64_t row, const RowRecord& record) const {
  if (merged_ == nullptr) {
    const std::int64_t position = threshold_position(record);
    return {position, position == view_.target};
  }
  const std::int32_t token = merged_->threshold_token[row];
  const std::int64_t local = token - merged_->first_token;
  const std::int64_t dense = local >= 0 && local < problem_.vocab_size ? local : -1;
  return {is_listed() ? token_list(problem_, row).position_of(local) : dense, token == merged_->targets[row]};
}

std::int64_t RowProcessor::threshold_position(const RowRecord& record) const {
  const float threshold = record.sums.threshold_logit;
  const std::int64_t number = record.sums.effective_width - 1 - kernel_.count_above(view_, threshold);
  return kernel_.find_equal(view_, threshold, number);
}

GradientJob RowProcessor::gradient_job(std::int64_t row, const RowRecord& record, double divisor) {
  double multiplier =
      problem_.grad_output_rows == nullptr ? problem_.grad_output : static_cast<double>(problem_.grad_output_rows[row]);
  if (problem_.token_weights != nullptr) multiplier *= static_cast<double>(problem_.token_weights[row]);
  multiplier /= divisor;

  const RowSums& sums = record.sums;
  const bool flow = problem_.threshold_gradient == ThresholdGradient::kFlow && record.loss.penalty.slope != 0;
  const ThresholdToken threshold = flow ? threshold_token(row, record) : ThresholdToken{-1, false};
  const RowCoefficients c = row_coefficients(problem_, sums, record.loss, lambda(row), threshold.is_target);
  void* const out = is_listed() ? listed_gradient(row) : gradient_row(row);

  GradientFactors factors = {options_.scale, sums.reference_logit,
                             c.probability * multiplier * record.loss.reference_probability, c.offset * multiplier};
  const float* exponentials = row == kept_row_ ? kept_ : nullptr;
  if (is_too_small(factors)) {
    factors.reference_logit = larger_reference(options_.scale, sums);
    factors.exponential = c.probability * multiplier *
                          std::exp(log_probability(options_.scale, sums, record.loss, factors.reference_logit));
    exponentials = nullptr; // they are relative to the other
  }
  const bool swept_before = merged_ != nullptr || problem_.reduction == Reduction::kWeightedMean;
  // Where one stream is prefetched, the processor's own prefetch does as well.
  const bool prefetches = swept_before && !is_constrained(problem_) && tuning().prefetch.streams > 1;
  GradientJob job = {
      view_,
      exponentials,
      factors,
      {out, problem_.dtype, stream_ && !is_listed(), !stream_ && !swept_before && view_.count >= tuning().long_row},
      {{view_.target, 0}, {-1, 0}},
      prefetches};
  job.terms[0].value =
      static_cast<float>(c.target * multiplier * scaled_logit_slope(options_.scale, sums.target_logit));
  if (c.threshold != 0) {
    const double probability = std::exp(log_probability(options_.scale, sums, record.loss, sums.threshold_logit));
    const double total = c.probability * probability + c.offset + c.threshold;
    job.terms[1] = {threshold.position,
                    static_cast<float>(total * multiplier * scaled_logit_slope(options_.scale, sums.threshold_logit))};
  }
  return job;
}

// From gradient_scratch_ to the row's listed tokens, with zeros for the others.
void RowProcessor::scatter(std::int64_t row) {
  if (is_compact()) return; // it is where it belongs
  clear_dense_row(row);
  with_element(problem_.dtype, [&](auto element) {
    const auto* value = reinterpret_cast<const decltype(element)*>(gradient_scratch_.data());
    auto* const out = reinterpret_cast<decltype(element)*>(gradient_row(row));
    for (const std::int32_t token : token_list(problem_, row)) out[token] = *value++;
  });
}

void RowProcessor::clear_dense_row(std::int64_t row) {
  if (problem_.gradient == GradientMode::kInPlaceSparse) return;
  std::memset(gradient_row(row), 0, static_cast<std::size_t>(problem_.vocab_size * element_size(problem_.dtype)));
}

void RowProcessor::write_zero_gradient(std::int64_t row) {
  if (is_compact()) {
    for (std::int64_t i = 0; i < token_list(problem_, row).count; ++i) store(gradient_row(row), i, 0);
    return;
  }
  clear_dense_row(row);
  if (problem_.gradient != GradientMode::kInPlaceSparse) return;
  for (const std::int32_t token : token_list(problem_, row)) store(gradient_row(row), token, 0);
}

// NaN on A; where the constraint leaves no logit above -infinity, NaN on all that it allows. Allocates nothing, and the
// gradient may lie on the logits: each is read before it is overwritten.
void RowProcessor::write_poisoned_gradient(std::int64_t row) {
  if (is_listed()) return write_poisoned_listed(row);
  const std::uint32_t* const bitmask = bitmask_row(problem_, row);
  const auto is_allowed = [&](std::int64_t j) { return bitmask == nullptr || (bitmask[j >> 5] >> (j & 31) & 1u) != 0; };
  const auto is_in_a = [&](std::int64_t j) { return is_allowed(j) && !is_masked(row, j); };
  bool all_masked = may_be_masked(row);
  for (std::int64_t j = 0; j < problem_.vocab_size && all_masked; ++j) all_masked = !is_in_a(j);
  for (std::int64_t j = 0; j < problem_.vocab_size; ++j) {
    const bool poisoned = all_masked ? is_allowed(j) : is_in_a(j);
    store(gradient_row(row), j, poisoned ? kNaN : 0);
  }
}

void RowProcessor::write_poisoned_listed(std::int64_t row) {
  const TokenList list = token_list(problem_, row);
  const auto masked = [&](std::int32_t token) { return is_masked(row, token); };
  const bool all_masked = may_be_masked(row) && std::all_of(list.begin(), list.end(), masked);
  for (std::int64_t i = 0; i < list.count; ++i) {
    const bool poisoned = all_masked || !masked(list.tokens[i]);
    store(listed_gradient(row), i, poisoned ? kNaN : 0);
  }
  scatter(row);
}

// Whether all that the constraint allows may be -infinity, not in this part alone.
bool RowProcessor::may_be_masked(std::int64_t row) const {
  return merged_ == nullptr || (merged_->flags[row] & kRowMasked) != 0;
}

bool RowProcessor::is_masked(std::int64_t row, std::int64_t position) const {
  const void* const logits = element_at(problem_, row * problem_.row_stride);
  return load_logit(logits, problem_.dtype, position) == -std::numeric_limits<float>::infinity();
}

void RowProcessor::store(void* gradient, std::int64_t position, float value) const {
  with_element(problem_.dtype,
               [&](auto element) { from_float(value, static_cast<decltype(element)*>(gradient)[position]); });
}

} // namespace fused_bear_loss
