#include "test/fuzz/core/loss_case.h"

#include <cmath>
#include <limits>

namespace fused_bear_loss::fuzz {
namespace {

void read_options(ByteReader& reader, LossProblem& problem) {
  static constexpr double kLambdas[] = {0.25, 0, 1, 5, -0.5, 100};
  static constexpr double kXis[] = {1, 0.3, 2.75, 0.05, 20};
  static constexpr double kMargins[] = {0, 0, 0.5, -0.25, 5, -3};
  static constexpr double kSmoothings[] = {0, 0, 0, 0.1, 0.01, 0.99};
  static constexpr double kZLosses[] = {0, 0, 0, 1e-3, 0.1, 1};
  static constexpr double kNormalizers[] = {0, 0, 1, 12.5};
  static constexpr double kUpstream[] = {1, 1, -2.5, 0, 1e-3, 1e3};
  static constexpr std::int32_t kIgnored[] = {-100, -100, -1, 0, 7, std::numeric_limits<std::int32_t>::min()};
  problem.penalty = static_cast<Penalty>(reader.byte() % 6);
  problem.threshold_gradient = static_cast<ThresholdGradient>(reader.byte() % 2);
  problem.reduction = static_cast<Reduction>(reader.byte() % 4);
  problem.lambda = reader.one_of(kLambdas);
  problem.xi = reader.one_of(kXis);
  problem.margin = reader.one_of(kMargins);
  problem.label_smoothing = reader.one_of(kSmoothings);
  problem.z_loss = reader.one_of(kZLosses);
  problem.normalizer = reader.one_of(kNormalizers);
  problem.grad_output = reader.one_of(kUpstream);
  problem.ignore_index = reader.one_of(kIgnored);
  problem.pruning_statistics = !reader.chance(128) || problem.penalty != Penalty::kNone;
}

// Among what the row allows; now and then one that a mask of minus infinity takes out, or one that is ignored.
void read_targets(ByteReader& reader, Draw& draw, LossCase& loss_case) {
  const bool some_ignored = reader.chance(64);
  const bool may_be_masked = reader.chance(24);
  const int raised = reader.byte();
  RowsCase& rows = loss_case.rows;
  for (std::int64_t row = 0; row < rows.shape.rows; ++row) {
    const std::vector<std::int32_t> allowed = rows.allowed(row);
    const std::int32_t target =
        allowed[static_cast<std::size_t>(draw.below(static_cast<std::int64_t>(allowed.size())))];
    if (std::isinf(rows.logit(row, target)) && !may_be_masked) rows.set_logit(row, target, 0.5);
    if (raised < 60) { // a confident target, or a hopeless one
      const double distance = raised < 40 ? raised : raised < 50 ? -2.0 * raised : 75;
      rows.set_logit(row, target, distance);
    }
    loss_case.targets.push_back(some_ignored && draw.chance(0.3) ? loss_case.problem.ignore_index : target);
  }
}

std::vector<float> read_row_factors(ByteReader& reader, Draw& draw, std::int64_t rows, bool may_be_negative) {
  std::vector<float> factors;
  const int kind = reader.byte();
  if (kind < 160) return factors;
  for (std::int64_t row = 0; row < rows; ++row) {
    const double factor = draw.chance(0.15) ? 0 : 2 * draw.uniform();
    factors.push_back(static_cast<float>(may_be_negative && draw.chance(0.2) ? -factor : factor));
  }
  return factors;
}

void plant_fault(Draw& draw, LossCase& loss_case) {
  constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();
  if (draw.chance(0.5) || !(loss_case.rows.is_listed() || loss_case.rows.is_masked())) {
    const auto vocab_size = static_cast<std::int32_t>(loss_case.rows.shape.vocab_size);
    const std::int32_t values[] = {vocab_size, -1, kLeast, 0, vocab_size - 1, static_cast<std::int32_t>(draw.bits())};
    if (loss_case.targets.empty()) return;
    const std::int64_t row = draw.below(static_cast<std::int64_t>(loss_case.targets.size()));
    loss_case.targets[static_cast<std::size_t>(row)] = values[draw.below(6)];
  } else {
    plant_constraint_fault(draw, loss_case.rows);
  }
}

} // namespace

// The order of the fields is the format of the corpus: a new one goes before the single logits, which take the rest.
LossCase read_loss_case(const std::uint8_t* data, std::size_t size) {
  ByteReader reader(data, size);
  LossCase loss_case;
  Draw draw(reader.four_bytes());
  loss_case.rows = read_rows(reader, draw, false);
  const std::int64_t rows = loss_case.rows.shape.rows;
  static_cast<LogitRows&>(loss_case.problem) = loss_case.rows.shape;
  read_options(reader, loss_case.problem);
  read_targets(reader, draw, loss_case);
  const bool weighted = loss_case.problem.reduction == Reduction::kWeightedMean;
  loss_case.token_weights = read_row_factors(reader, draw, rows, !weighted);
  loss_case.penalty_weights = read_row_factors(reader, draw, rows, !weighted);
  const std::vector<float> upstream = read_row_factors(reader, draw, rows, true);
  if (loss_case.problem.reduction == Reduction::kNone) loss_case.grad_output_rows = upstream;
  if (loss_case.problem.reduction != Reduction::kMean) loss_case.problem.normalizer = 0;
  loss_case.gradient_padding = reader.byte() % 4 * 5;
  loss_case.gradient_shift = reader.byte() % 16;
  const bool all_outputs = reader.chance(200);
  loss_case.missing_outputs = reader.byte();
  if (all_outputs) loss_case.missing_outputs = 0;
  loss_case.variant = reader.byte();
  const int faults = reader.byte();
  if (faults < 16) {
    for (int i = 0; i <= faults % 3; ++i) plant_fault(draw, loss_case);
  }
  reader.check_position(kLossFieldBytes);
  read_single_logits(reader, loss_case.rows);
  return loss_case;
}

} // namespace fused_bear_loss::fuzz
