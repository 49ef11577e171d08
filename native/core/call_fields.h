// What a call consists of as it crosses from JavaScript: numbers by position in a Float64Array, views by position in an
// array. Positions, as reading some forty fields by name cost more than all the rest of a small call:
// each name has to become a JavaScript string first. lib/native writes both in this order and compares the names when
// it loads a backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "native/core/loss_problem.h"

namespace fused_bear_loss {

// What a call has beside the plain numbers among its options (kNumberOptions), which follow.
enum class NumberField : std::uint32_t {
  kDevice,
  kRows,
  kVocabSize,
  kRowStride,
  kDType,
  kGradient,
  kGradOutput,
  kThreads,
  kGradRowStride,
  kGradIsNew,
  // Options, in the order of lib/options/option-table.ts.
  kBeamWidth,
  kPenalty,
  kThresholdGradient,
  kIgnoreIndex,
  kReduction,
  kPruningStatistics,
};

inline constexpr const char* kNumberFieldNames[] = {
    "device",           "rows",       "vocabSize",         "rowStride",     "dtype",
    "gradient",         "gradOutput", "threads",           "gradRowStride", "gradIsNew",
    "beamWidth",        "penalty",    "thresholdGradient", "ignoreIndex",   "reduction",
    "pruningStatistics"};
inline constexpr std::size_t kNumberFieldCount = std::size(kNumberFieldNames);
static_assert(kNumberFieldCount == static_cast<std::size_t>(NumberField::kPruningStatistics) + 1,
              "one name for each number");
inline constexpr std::size_t kNumberCount = kNumberFieldCount + std::size(kNumberOptions);

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
static_assert(std::size(kArrayFieldNames) == static_cast<std::size_t>(ArrayField::kRank) + 1,
              "one name for each array");

// The summary of a call whose rows are all finite, in a Float64Array.
inline constexpr const char* kSummaryFieldNames[] = {"loss", "countedRows", "prunedRows", "topRankedRows"};

// The numbers of a call of topTokens; lib/loss/top-tokens.ts writes them in this order.
inline constexpr const char* kTopTokensNumberNames[] = {
    "rows", "vocabSize", "rowStride", "dtype", "beamWidth", "temperature", "softcap", "listedLogits", "threads"};

// What a call of the linear form has beside those of the loss; lib/native/linear-calls.ts writes both in this order.
inline constexpr const char* kLinearNumberNames[] = {"hiddenSize", "operandDType", "accumulate", "weightIsZero",
                                                     "workspaceBytes"};
enum class LinearArray : std::uint32_t {
  kHidden,
  kWeight,
  kBias,
  kAllowedBias,
  kGradHidden,
  kGradWeight,
  kGradBias,
  kGradAllowedBias,
  kWeightTokens,
};
inline constexpr const char* kLinearArrayNames[] = {"hidden",      "weight",          "bias",
                                                    "allowedBias", "gradHidden",      "gradWeight",
                                                    "gradBias",    "gradAllowedBias", "weightTokens"};
inline constexpr std::size_t kLinearArrayCount = std::size(kLinearArrayNames);
static_assert(kLinearArrayCount == static_cast<std::size_t>(LinearArray::kWeightTokens) + 1, "one name for each array");

} // namespace fused_bear_loss
