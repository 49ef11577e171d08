// The options of a call from its numbers, for every way in which a call arrives.
#pragma once

#include <cstdint>

#include "native/core/call_fields.h"
#include "native/core/loss_problem.h"
#include "native/core/option_names.h"

namespace fused_bear_loss {

inline constexpr double kLargestSafeInteger = 9007199254740991.0; // of a double
inline constexpr double kLargestInt32 = 2147483647.0;
inline constexpr double kLeastInt32 = -2147483648.0;

// Everything but the shape. `Numbers` reads and checks: number(field), integer(field, least, most),
// enumerator<Enum>(field, names), and options(), those of kNumberOptions.
template <class Numbers>
void read_options(const Numbers& numbers, LossProblem& problem) {
  problem.dtype = numbers.template enumerator<DType>(NumberField::kDType, kDTypeNames);
  problem.penalty = numbers.template enumerator<Penalty>(NumberField::kPenalty, kPenaltyNames);
  problem.threshold_gradient =
      numbers.template enumerator<ThresholdGradient>(NumberField::kThresholdGradient, kThresholdGradientNames);
  problem.reduction = numbers.template enumerator<Reduction>(NumberField::kReduction, kReductionNames);
  problem.gradient = numbers.template enumerator<GradientMode>(NumberField::kGradient, kGradientModeNames);
  problem.beam_width = numbers.integer(NumberField::kBeamWidth, 1, kLargestSafeInteger);
  problem.ignore_index =
      static_cast<std::int32_t>(numbers.integer(NumberField::kIgnoreIndex, kLeastInt32, kLargestInt32));
  problem.threads = static_cast<std::int32_t>(numbers.integer(NumberField::kThreads, 0, kLargestInt32));
  const double* value = numbers.options();
  for (const NumberOption& option : kNumberOptions) problem.*option.value = *value++;
  problem.grad_output = numbers.number(NumberField::kGradOutput);
  problem.pruning_statistics = numbers.number(NumberField::kPruningStatistics) != 0;
}

} // namespace fused_bear_loss
