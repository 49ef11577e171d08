// A call as it reaches the module: numbers by position, and pointers into its memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/core/backend.h"
#include "native/core/call_fields.h"
#include "native/core/read_options.h"
#include "native/core/validate_problem.h"

#define FBL_EXPORT(name) __attribute__((export_name(#name))) extern "C"

namespace fused_bear_loss {

// Numbers by position. TypeScript has checked them.
class Numbers {
 public:
  explicit Numbers(const double* values) : values_(values) {}

  double number(NumberField field) const { return values_[static_cast<std::size_t>(field)]; }
  std::int64_t integer(NumberField field, double /*least*/, double /*most*/) const {
    return static_cast<std::int64_t>(number(field));
  }
  const double* options() const { return values_ + kNumberFieldCount; }
  std::int64_t integer(NumberField field) const { return integer(field, 0, 0); }
  template <class Enum, std::size_t kCount>
  Enum enumerator(NumberField field, const char* const (&)[kCount]) const {
    return static_cast<Enum>(integer(field));
  }

 private:
  const double* values_;
};

// Arrays by position, null where there is none.
class Arrays {
 public:
  explicit Arrays(void* const* pointers) : pointers_(pointers) {}

  template <class T>
  T* array(ArrayField field) const {
    return static_cast<T*>(pointers_[static_cast<std::size_t>(field)]);
  }

 private:
  void* const* pointers_;
};

inline LossProblem read_problem(const double* numbers, void* const* pointers) {
  const Numbers given(numbers);
  const Arrays arrays(pointers);
  LossProblem problem;
  read_options(given, problem);
  problem.rows = given.integer(NumberField::kRows);
  problem.vocab_size = given.integer(NumberField::kVocabSize);
  problem.row_stride = problem.vocab_size;
  problem.threads = 1;
  problem.logits = arrays.array<const void>(ArrayField::kLogits);
  problem.targets = arrays.array<const std::int32_t>(ArrayField::kTargets);
  problem.token_weights = arrays.array<const float>(ArrayField::kTokenWeights);
  problem.penalty_weights = arrays.array<const float>(ArrayField::kPenaltyWeights);
  problem.grad_output_rows = arrays.array<const float>(ArrayField::kGradOutputRows);
  problem.allowed_offsets = arrays.array<const std::int32_t>(ArrayField::kAllowedOffsets);
  problem.allowed_tokens = arrays.array<const std::int32_t>(ArrayField::kAllowedTokens);
  problem.allowed_bitmask = arrays.array<const std::uint32_t>(ArrayField::kAllowedBitmask);
  return problem;
}

// Numbers in the order of kTopTokensNumberNames; the rows lie packed.
inline LogitRows read_top_tokens_rows(const double* numbers) {
  LogitRows rows;
  rows.rows = static_cast<std::int64_t>(numbers[0]);
  rows.vocab_size = static_cast<std::int64_t>(numbers[1]);
  rows.row_stride = rows.vocab_size;
  rows.dtype = static_cast<DType>(static_cast<std::int32_t>(numbers[3]));
  rows.beam_width = static_cast<std::int64_t>(numbers[4]);
  rows.temperature = numbers[5];
  rows.softcap = numbers[6];
  rows.threads = 1;
  return rows;
}

inline LossOutputs read_outputs(void* const* pointers) {
  const Arrays arrays(pointers);
  LossOutputs outputs;
  outputs.row_losses = arrays.array<float>(ArrayField::kRowLosses);
  outputs.nll = arrays.array<float>(ArrayField::kNll);
  outputs.log_sum_exp = arrays.array<float>(ArrayField::kLogSumExp);
  outputs.threshold = arrays.array<float>(ArrayField::kThreshold);
  outputs.margin = arrays.array<float>(ArrayField::kMargins);
  outputs.penalty = arrays.array<float>(ArrayField::kPenalties);
  outputs.rank = arrays.array<std::int32_t>(ArrayField::kRank);
  return outputs;
}

// A report of find_fault: error, row, value.
inline void write_fault(const ProblemFault& fault, double* report) {
  report[0] = static_cast<double>(fault.error);
  report[1] = static_cast<double>(fault.row);
  report[2] = static_cast<double>(fault.value);
}

} // namespace fused_bear_loss
