// The allowed logits of a row as contiguous memory, for kernels that know of no constraint.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "native/core/dtype.h"
#include "native/core/logit_rows.h"
#include "native/core/vocabulary_part.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/row_kernel.h"
#include "native/cpu/tuning.h"

namespace fused_bear_loss {

// Scratch memory stays with a thread.
template <class Value>
void reserve(std::vector<Value>& scratch, std::int64_t size) {
  if (scratch.size() < static_cast<std::size_t>(size)) scratch.resize(static_cast<std::size_t>(size));
}

inline bool is_constrained(const LogitRows& rows) {
  return rows.allowed_offsets != nullptr || rows.allowed_bitmask != nullptr;
}

inline const char* element_at(const LogitRows& rows, std::int64_t index) {
  return static_cast<const char*>(rows.logits) + index * element_size(rows.dtype);
}

// The allowed tokens of a row, where the constraint lists them.
struct TokenList {
  const std::int32_t* tokens;
  std::int64_t count;

  const std::int32_t* begin() const { return tokens; }
  const std::int32_t* end() const { return tokens + count; }

  // -1 where the list does not have the token.
  std::int64_t position_of(std::int64_t token) const {
    const std::int32_t* const found = std::lower_bound(begin(), end(), token);
    return found != end() && *found == token ? found - begin() : -1;
  }
};

inline TokenList token_list(const LogitRows& rows, std::int64_t row) {
  const std::int64_t offset = rows.allowed_offsets[row];
  return {rows.allowed_tokens + offset, rows.allowed_offsets[row + 1] - offset};
}

// Null where there is no bitmask.
inline const std::uint32_t* bitmask_row(const LogitRows& rows, std::int64_t row) {
  return rows.allowed_bitmask == nullptr ? nullptr : rows.allowed_bitmask + row * bitmask_words(rows.vocab_size);
}

// Where a row's target is in the view of its allowed logits.
inline std::int64_t target_in_view(const LogitRows& rows, std::int64_t row, std::int32_t target) {
  if (target == kTargetElsewhere) return kNoTarget;
  if (rows.allowed_offsets == nullptr) return target;
  const std::int64_t position = token_list(rows, row).position_of(target);
  return position < 0 ? kNoTarget : position;
}

// The caller's own memory, or a float32 copy in `scratch` where a constraint picks among the logits; without a target.
inline RowView allowed_logits(const LogitRows& rows, std::int64_t row, std::vector<float>& scratch) {
  const RowView dense = {element_at(rows, row * rows.row_stride), rows.dtype, rows.vocab_size, kNoTarget,
                         tuning().prefetch};
  if (rows.allowed_offsets != nullptr) {
    const TokenList list = token_list(rows, row);
    row_kernel().gather(dense.logits, dense.dtype, list.tokens, list.count, scratch.data());
    return {scratch.data(), DType::kFloat32, list.count, kNoTarget, dense.prefetch};
  }
  if (rows.allowed_bitmask != nullptr) {
    row_kernel().apply_bitmask(dense.logits, dense.dtype, bitmask_row(rows, row), dense.count, scratch.data());
    return {scratch.data(), DType::kFloat32, dense.count, kNoTarget, dense.prefetch};
  }
  return dense;
}

} // namespace fused_bear_loss
