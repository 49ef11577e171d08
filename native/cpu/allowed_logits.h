// The allowed logits of a row as contiguous memory, for kernels that know of no constraint.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/dtype.h"
#include "native/core/logit_rows.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/row_kernel.h"

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

inline const std::int32_t* listed_tokens(const LogitRows& rows, std::int64_t row) {
  return rows.allowed_tokens + rows.allowed_offsets[row];
}

// The caller's own memory, or a float32 copy in `scratch` where a constraint picks among the logits; without a target.
inline RowView allowed_logits(const LogitRows& rows, std::int64_t row, std::vector<float>& scratch) {
  const RowView dense = {element_at(rows, row * rows.row_stride), rows.dtype, rows.vocab_size, kNoTarget};
  if (rows.allowed_offsets != nullptr) {
    const std::int64_t count = rows.allowed_offsets[row + 1] - rows.allowed_offsets[row];
    row_kernel().gather(dense.logits, dense.dtype, listed_tokens(rows, row), count, scratch.data());
    return {scratch.data(), DType::kFloat32, count, kNoTarget};
  }
  if (rows.allowed_bitmask != nullptr) {
    const std::uint32_t* const bitmask = rows.allowed_bitmask + row * bitmask_words(rows.vocab_size);
    row_kernel().apply_bitmask(dense.logits, dense.dtype, bitmask, dense.count, scratch.data());
    return {scratch.data(), DType::kFloat32, dense.count, kNoTarget};
  }
  return dense;
}

} // namespace fused_bear_loss
