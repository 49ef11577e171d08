#include "benchmarks/device-check/native/float64_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace fused_bear_loss::device_check {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// The token that the effective beam width ends with, in the order (logit descending, id ascending).
std::int32_t threshold_token(const std::vector<double>& logits, std::int64_t beam_width) {
  std::vector<std::int32_t> tokens;
  for (std::size_t j = 0; j < logits.size(); ++j) {
    if (logits[j] != kMinusInfinity) tokens.push_back(static_cast<std::int32_t>(j));
  }
  const auto place = std::min<std::ptrdiff_t>(beam_width, static_cast<std::ptrdiff_t>(tokens.size())) - 1;
  const auto logit = [&](std::int32_t token) { return logits[static_cast<std::size_t>(token)]; };
  std::nth_element(tokens.begin(), tokens.begin() + place, tokens.end(),
                   [&](std::int32_t a, std::int32_t b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
  return tokens[static_cast<std::size_t>(place)];
}

} // namespace

ReferenceRow reference_row(const std::vector<double>& logits, std::int32_t target, const LossProblem& problem) {
  const double target_logit = logits[static_cast<std::size_t>(target)];
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  ReferenceRow row;
  for (const double logit : logits) {
    sum += std::exp(logit - largest);
    if (logit > target_logit) ++row.rank;
  }
  row.log_sum_exp = largest + std::log(sum);
  row.nll = row.log_sum_exp - target_logit;
  row.loss = row.nll;
  double slope = 0;
  std::int32_t threshold = -1;
  if (problem.penalty != Penalty::kNone) {
    threshold = threshold_token(logits, problem.beam_width);
    row.threshold = logits[static_cast<std::size_t>(threshold)] - row.log_sum_exp;
    row.margin = logits[static_cast<std::size_t>(threshold)] - target_logit;
    if (problem.penalty == Penalty::kHinge) {
      row.penalty = std::max(0.0, row.margin);
      slope = row.margin > 0 ? 1 : 0;
    } else {
      row.penalty = std::max(0.0, row.margin) + std::log1p(std::exp(-std::fabs(row.margin)));
      slope = 1 / (1 + std::exp(-row.margin));
    }
    row.loss += problem.lambda * row.penalty;
  }
  const bool flow = problem.threshold_gradient == ThresholdGradient::kFlow;
  const double push = problem.lambda * slope;
  row.gradient.resize(logits.size());
  for (std::size_t j = 0; j < logits.size(); ++j) {
    row.gradient[j] = (1 + (flow ? 0 : push)) * std::exp(logits[j] - row.log_sum_exp);
  }
  // 1 - p of the target as the sum over the others, which does not cancel.
  double others = 0;
  for (std::size_t j = 0; j < logits.size(); ++j) {
    if (j != static_cast<std::size_t>(target)) others += std::exp(logits[j] - row.log_sum_exp);
  }
  row.gradient[static_cast<std::size_t>(target)] = -(1 + (flow ? 0 : push)) * others - (flow ? push : 0);
  if (flow && threshold >= 0) row.gradient[static_cast<std::size_t>(threshold)] += push;
  return row;
}

} // namespace fused_bear_loss::device_check
