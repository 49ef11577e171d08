// What a call of the loss consists of as it crosses from JavaScript: numbers by position in a Float64Array, views by
// position in an array. Positions, as reading some forty fields by name cost more than all the rest of a small call:
// each name has to become a JavaScript string first. lib/native writes both in this order and compares the names
// when it loads the addon.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fused_bear_loss {

enum class NumberField : std::uint32_t {
  kDevice,
  kRows,
  kVocabSize,
  kRowStride,
  kDType,
  kBeamWidth,
  kPenalty,
  kThresholdGradient,
  kReduction,
  kGradient,
  kLambda,
  kXi,
  kMargin,
  kTemperature,
  kSoftcap,
  kLabelSmoothing,
  kZLoss,
  kNormalizer,
  kGradOutput,
  kIgnoreIndex,
  kPruningStatistics,
  kThreads,
  kGradRowStride,
  kGradIsNew,
};

inline constexpr const char* kNumberFieldNames[] = {"device",
                                                    "rows",
                                                    "vocabSize",
                                                    "rowStride",
                                                    "dtype",
                                                    "beamWidth",
                                                    "penalty",
                                                    "thresholdGradient",
                                                    "reduction",
                                                    "gradient",
                                                    "lambda",
                                                    "xi",
                                                    "margin",
                                                    "temperature",
                                                    "softcap",
                                                    "labelSmoothing",
                                                    "zLoss",
                                                    "normalizer",
                                                    "gradOutput",
                                                    "ignoreIndex",
                                                    "pruningStatistics",
                                                    "threads",
                                                    "gradRowStride",
                                                    "gradIsNew"};
static_assert(sizeof(kNumberFieldNames) / sizeof(*kNumberFieldNames) ==
                  static_cast<std::size_t>(NumberField::kGradIsNew) + 1,
              "one name for each number");

// What every call has comes first: an array may end early, and what would follow is undefined.
enum class ArrayField : std::uint32_t {
  kLogits,
  kTargets,
  kGradLogits,
  kTokenWeights,
  kPenaltyWeights,
  kGradOutputRows,
  kAllowedOffsets,
  kAllowedTokens,
  kAllowedBitmask,
  kRowLosses,
  kNll,
  kLogSumExp,
  kThreshold,
  kMargins,
  kPenalties,
  kRank,
};

inline constexpr const char* kArrayFieldNames[] = {"logits",
                                                   "targets",
                                                   "gradLogits",
                                                   "tokenWeights",
                                                   "penaltyWeights",
                                                   "gradOutputRows",
                                                   "allowedOffsets",
                                                   "allowedTokens",
                                                   "allowedBitmask",
                                                   "rowLosses",
                                                   "nll",
                                                   "logSumExp",
                                                   "threshold",
                                                   "margins",
                                                   "penalties",
                                                   "rank"};
static_assert(sizeof(kArrayFieldNames) / sizeof(*kArrayFieldNames) == static_cast<std::size_t>(ArrayField::kRank) + 1,
              "one name for each array");

// The summary of a call whose rows are all finite, in a Float64Array.
inline constexpr const char* kSummaryFieldNames[] = {"loss", "countedRows", "prunedRows", "topRankedRows"};

} // namespace fused_bear_loss
