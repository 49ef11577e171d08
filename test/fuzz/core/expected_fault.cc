#include "test/fuzz/core/expected_fault.h"

#include <algorithm>

namespace fused_bear_loss::fuzz {
namespace {

constexpr ProblemFault kSound = {};

bool is_fault(const ProblemFault& fault) { return fault.error != ProblemError::kNone; }

// Of the offset at which a row ends, and for the first row of that at which it begins.
ProblemFault offset_fault(const RowsCase& rows, std::int64_t row) {
  const std::int32_t begin = rows.allowed_offsets[static_cast<std::size_t>(row)];
  const std::int32_t end = rows.allowed_offsets[static_cast<std::size_t>(row) + 1];
  if (row == 0 && begin != 0) return {ProblemError::kAllowedOffsetsRange, 0, begin};
  if (end < begin) return {ProblemError::kAllowedOffsetsNotAscending, row, end};
  if (end > rows.token_count()) return {ProblemError::kAllowedOffsetsRange, row, end};
  if (row == rows.shape.rows - 1 && end != rows.token_count()) return {ProblemError::kAllowedOffsetsRange, row, end};
  return kSound;
}

// Without rows there is no row to name.
ProblemFault empty_offsets_fault(const RowsCase& rows) {
  const std::int32_t only = rows.allowed_offsets[0];
  if (only != 0 || rows.token_count() != 0) return {ProblemError::kAllowedOffsetsRange, -1, only};
  return kSound;
}

ProblemFault list_fault(const RowsCase& rows, std::int64_t row) {
  const std::vector<std::int32_t> tokens = rows.allowed(row);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int32_t token = tokens[i];
    if (token < 0 || token >= rows.shape.vocab_size) return {ProblemError::kAllowedTokenOutOfRange, row, token};
    if (i > 0 && token <= tokens[i - 1]) return {ProblemError::kAllowedTokensNotAscending, row, token};
  }
  return kSound;
}

ProblemFault row_fault(const LossCase& loss_case, std::int64_t row) {
  const RowsCase& rows = loss_case.rows;
  const std::int32_t target = loss_case.targets[static_cast<std::size_t>(row)];
  const bool ignored = target == loss_case.problem.ignore_index;
  if (rows.is_listed()) {
    const ProblemFault fault = offset_fault(rows, row);
    if (is_fault(fault)) return fault;
  }
  if (!ignored && (target < 0 || target >= rows.shape.vocab_size)) {
    return {ProblemError::kTargetOutOfRange, row, target};
  }
  if (rows.is_listed()) {
    const ProblemFault fault = list_fault(rows, row);
    if (is_fault(fault)) return fault;
  }
  if (ignored || rows.allows(row, target)) return kSound;
  return {rows.allowed(row).empty() ? ProblemError::kAllowedRowEmpty : ProblemError::kTargetNotAllowed, row, target};
}

} // namespace

ProblemFault expected_fault(const LossCase& loss_case) {
  const RowsCase& rows = loss_case.rows;
  if (rows.shape.rows == 0 && rows.is_listed()) return empty_offsets_fault(rows);
  for (std::int64_t row = 0; row < rows.shape.rows; ++row) {
    const ProblemFault fault = row_fault(loss_case, row);
    if (is_fault(fault)) return fault;
  }
  return kSound;
}

ProblemFault expected_constraint_fault(const RowsCase& rows) {
  if (!rows.is_listed()) return kSound;
  if (rows.shape.rows == 0) return empty_offsets_fault(rows);
  for (std::int64_t row = 0; row < rows.shape.rows; ++row) {
    const ProblemFault offsets = offset_fault(rows, row);
    if (is_fault(offsets)) return offsets;
    const ProblemFault list = list_fault(rows, row);
    if (is_fault(list)) return list;
  }
  return kSound;
}

} // namespace fused_bear_loss::fuzz
