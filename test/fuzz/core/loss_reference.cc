#include "test/fuzz/core/loss_reference.h"

#include <algorithm>
#include <cmath>

namespace fused_bear_loss::fuzz {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

double log_sigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::fabs(x))); }

struct Penalised {
  double value;
  double slope;
  double weight;
};

Penalised penalise(const LossProblem& problem, double margin, double lambda) {
  const double x = margin / problem.xi;
  switch (problem.penalty) {
    case Penalty::kHinge:
      return {std::max(0.0, margin + problem.margin), margin + problem.margin > 0 ? 1.0 : 0.0, 1};
    case Penalty::kSoftplus:
      return {-log_sigmoid(-x), sigmoid(x) / problem.xi, 1};
    case Penalty::kLogSigmoid:
      return {log_sigmoid(x), sigmoid(-x) / problem.xi, 1};
    case Penalty::kSigmoid:
      return {sigmoid(x), sigmoid(x) * sigmoid(-x) / problem.xi, 1};
    case Penalty::kReweight:
      return {lambda * sigmoid(-x), 0, 1 + lambda * sigmoid(-x)};
    case Penalty::kNone:
      break;
  }
  return {0, 0, 1};
}

class RowEvaluation {
 public:
  RowEvaluation(const LossCase& loss_case, std::int64_t row)
      : problem_(loss_case.problem),
        rows_(loss_case.rows),
        row_(row),
        target_(loss_case.targets[static_cast<std::size_t>(row)]),
        lambda_(problem_.lambda * factor_of(loss_case.penalty_weights, row)) {
    result_.gradient.resize(static_cast<std::size_t>(problem_.vocab_size));
    if (target_ == problem_.ignore_index) return;
    result_.counted = true;
    const std::vector<std::int32_t> permitted = rows_.allowed(row);
    for (const std::int32_t token : permitted) {
      if (rows_.logit(row, token) != -kInfinity) members_.push_back({token, rows_.logit(row, token)});
    }
    const bool poisoned = std::any_of(members_.begin(), members_.end(),
                                      [](const Member& member) { return !std::isfinite(member.logit); });
    if (poisoned || members_.empty()) {
      poison(permitted);
    } else {
      find_threshold();
      evaluate();
    }
  }

  RowReference& result() { return result_; }

 private:
  struct Member {
    std::int32_t token;
    double logit;
    double scaled = 0;
    double exponential = 0; // of `scaled` relative to the largest
  };

  double scaled(double logit) const {
    const double c = problem_.softcap;
    return (c > 0 ? c * std::tanh(logit / c) : logit) / problem_.temperature;
  }
  double scaled_slope(double logit) const {
    const double c = problem_.softcap;
    return (c > 0 ? 1 / (std::cosh(logit / c) * std::cosh(logit / c)) : 1) / problem_.temperature;
  }

  void poison(const std::vector<std::int32_t>& permitted) {
    result_.poisoned = true;
    result_.several_allowed = members_.size() > 1;
    for (double* value : {&result_.loss, &result_.nll, &result_.log_sum_exp, &result_.threshold, &result_.margin,
                          &result_.penalty, &result_.weight}) {
      *value = NAN;
    }
    if (members_.empty()) {
      for (const std::int32_t token : permitted) result_.gradient[static_cast<std::size_t>(token)] = NAN;
    }
    for (const Member& member : members_) result_.gradient[static_cast<std::size_t>(member.token)] = NAN;
  }

  // Element number min(B, |A|) of A by falling logit, of equal ones the lower token first.
  void find_threshold() {
    std::vector<Member> order = members_;
    const auto width = std::min<std::size_t>(static_cast<std::size_t>(problem_.beam_width), order.size());
    const auto at = order.begin() + static_cast<std::ptrdiff_t>(width - 1);
    std::nth_element(order.begin(), at, order.end(), [](const Member& a, const Member& b) {
      return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
    });
    threshold_ = *at;
    result_.threshold_logit = threshold_.logit;
    result_.allowed_count = static_cast<std::int64_t>(members_.size());
  }

  void evaluate() {
    const double target_logit = rows_.logit(row_, target_);
    const bool masked = target_logit == -kInfinity;
    double top = -kInfinity;
    for (Member& member : members_) {
      member.scaled = scaled(member.logit);
      top = std::max(top, member.scaled);
      result_.largest_scaled = std::max(result_.largest_scaled, std::fabs(member.scaled));
    }
    double sum = 0;
    double sum_others = 0; // without the target
    double sum_of_scaled = 0;
    for (Member& member : members_) {
      member.exponential = std::exp(member.scaled - top);
      sum += member.exponential;
      if (member.token != target_) sum_others += member.exponential;
      sum_of_scaled += member.scaled - top;
    }
    const auto n = static_cast<double>(members_.size());
    const double u = scaled(target_logit);
    const double log_sum = std::log(sum);
    result_.several_allowed = n > 1;
    result_.log_sum_exp = top + log_sum;
    // Where the target is the largest, its own term would swallow the others.
    result_.nll = masked ? kInfinity : u == top ? std::log1p(sum_others) : top - u + log_sum;
    result_.threshold = scaled(threshold_.logit) - top - log_sum;
    result_.margin = masked ? kInfinity : scaled(threshold_.logit) - u;
    result_.pruned = threshold_.logit > target_logit;
    result_.rank = std::count_if(members_.begin(), members_.end(),
                                 [&](const Member& member) { return member.logit > target_logit; });
    const Penalised penalty = penalise(problem_, result_.margin, lambda_);
    result_.penalty = penalty.value;
    result_.weight = penalty.weight;
    result_.is_on_hinge = is_on_hinge();

    const double eps = problem_.label_smoothing;
    const double lse = result_.log_sum_exp;
    const double uniform = log_sum - sum_of_scaled / n; // lse less the mean of u
    const double cross_entropy = eps == 0 ? result_.nll : (1 - eps) * result_.nll + eps * uniform;
    const bool adds_penalty = problem_.penalty != Penalty::kReweight && lambda_ != 0;
    const double penalty_share = adds_penalty ? lambda_ * penalty.value : 0;
    result_.loss = penalty.weight * cross_entropy + penalty_share + problem_.z_loss * lse * lse;
    result_.loss_scale = std::fabs(penalty.weight) * cross_entropy + std::fabs(penalty_share) +
                         problem_.z_loss * std::max(1.0, std::fabs(lse)) * std::max(1.0, std::fabs(lse));
    if (masked) result_.loss = result_.loss_scale = kInfinity;

    const double push = lambda_ * penalty.slope;
    const double log_sum_exp_slope = 2 * problem_.z_loss * lse;
    result_.largest_factor =
        std::fabs(penalty.weight) + std::fabs(push) + 2 * problem_.z_loss * std::max(1.0, std::fabs(lse));
    const bool flow = problem_.threshold_gradient == ThresholdGradient::kFlow;
    const auto add = [&](std::int32_t token, double logit, double p) {
      const bool is_target = token == target_;
      // p_j - [j = y]
      const double missing = is_target ? -(masked ? 1 : sum_others / sum) : p;
      double margin_slope = missing;
      if (flow) margin_slope = (token == threshold_.token ? 1 : 0) - (is_target ? 1 : 0);
      const double slope = scaled_slope(logit);
      const double value =
          penalty.weight * (missing + (is_target ? eps : 0) - eps / n) + push * margin_slope + log_sum_exp_slope * p;
      result_.gradient[static_cast<std::size_t>(token)] = value * slope;
      const double scale = std::fabs(penalty.weight) * (std::fabs(missing) + (is_target ? eps : 0) + eps / n) +
                           std::fabs(push * margin_slope) + 2 * problem_.z_loss * std::max(1.0, std::fabs(lse)) * p;
      result_.gradient_scale = std::max(result_.gradient_scale, scale * slope);
      const double slope_exponent = problem_.softcap > 0 ? 2 * std::fabs(logit / problem_.softcap) : 0;
      const double entropy = missing == 0 ? 0 : -std::fabs(missing) * std::log(std::fabs(missing));
      result_.exponent_scale =
          std::max(result_.exponent_scale, (scale * slope_exponent + result_.largest_factor * entropy) * slope);
    };
    for (const Member& member : members_) add(member.token, member.logit, member.exponential / sum);
    if (masked) add(target_, target_logit, 0);
  }

  bool is_on_hinge() const {
    if (problem_.penalty != Penalty::kHinge || std::isinf(result_.margin)) return false;
    if (result_.margin == 0 && problem_.margin == 0) return false;
    return std::fabs(result_.margin + problem_.margin) < 1e-6 * std::max(1.0, result_.largest_scaled);
  }

  const LossProblem& problem_;
  const RowsCase& rows_;
  const std::int64_t row_;
  const std::int32_t target_;
  const double lambda_;
  std::vector<Member> members_; // A, by token
  Member threshold_ = {};
  RowReference result_;
};

bool takes_part(const LossProblem& problem, const RowReference& row) {
  if (!row.counted) return false;
  return problem.reduction != Reduction::kWeightedMean || row.poisoned || row.several_allowed;
}

double divisor_of(const LossCase& loss_case, const LossReference& reference) {
  const LossProblem& problem = loss_case.problem;
  if (problem.reduction == Reduction::kMean) {
    const auto counted = static_cast<double>(std::max<std::int64_t>(1, reference.counted_rows));
    return problem.normalizer > 0 ? problem.normalizer : counted;
  }
  if (problem.reduction != Reduction::kWeightedMean) return 1;
  double sum = 1e-8;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const RowReference& each = reference.rows[static_cast<std::size_t>(row)];
    if (!each.poisoned && takes_part(problem, each)) sum += factor_of(loss_case.token_weights, row) * each.weight;
  }
  return sum;
}

void reduce(const LossCase& loss_case, LossReference& reference) {
  const LossProblem& problem = loss_case.problem;
  const double divisor = reference.divisor = divisor_of(loss_case, reference);
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    RowReference& each = reference.rows[static_cast<std::size_t>(row)];
    const double weight = factor_of(loss_case.token_weights, row);
    const double upstream =
        loss_case.grad_output_rows.empty() ? problem.grad_output : factor_of(loss_case.grad_output_rows, row);
    const double multiplier = takes_part(problem, each) ? upstream * weight / divisor : 0;
    for (double& entry : each.gradient) entry = std::isnan(entry) ? entry : entry * multiplier;
    each.gradient_scale *= std::fabs(multiplier);
    each.exponent_scale *= std::fabs(multiplier);
    each.largest_factor *= std::fabs(multiplier) / problem.temperature;
    if (!takes_part(problem, each)) continue;
    reference.loss += weight * each.loss;
  }
  reference.loss = problem.reduction == Reduction::kNone ? 0 : reference.loss / divisor;
}

} // namespace

LossReference loss_reference(const LossCase& loss_case) {
  LossReference reference;
  for (std::int64_t row = 0; row < loss_case.problem.rows; ++row) {
    reference.rows.push_back(std::move(RowEvaluation(loss_case, row).result()));
    const RowReference& each = reference.rows.back();
    if (!each.counted) continue;
    ++reference.counted_rows;
    if (each.pruned && loss_case.problem.pruning_statistics) ++reference.pruned_rows;
    if (each.rank == 0) ++reference.top_ranked_rows;
    if (each.poisoned || std::isinf(each.nll)) reference.non_finite_rows.push_back(row);
  }
  reduce(loss_case, reference);
  return reference;
}

} // namespace fused_bear_loss::fuzz
