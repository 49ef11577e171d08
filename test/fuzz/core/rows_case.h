// What the cases of the loss and of topTokens have in common: rows of logits, and the tokens that each row allows.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/logit_rows.h"
#include "test/fuzz/core/byte_reader.h"
#include "test/fuzz/core/elements.h"

namespace fused_bear_loss::fuzz {

// The largest magnitude of a finite logit: so far the tolerances of docs/math.md are known to hold.
constexpr double kLargestLogit = 1e4;

// Arrays as the caller would hold them. Faults may have been planted in those of the constraint.
struct RowsCase {
  LogitRows shape; // sizes and options; its pointers are null
  std::int64_t shift = 0;
  std::vector<std::uint32_t> logits; // bits, [rows, vocab_size]
  std::vector<std::int32_t> allowed_offsets;
  std::vector<std::int32_t> allowed_tokens;
  std::vector<std::uint32_t> allowed_bitmask;

  bool is_listed() const { return !allowed_offsets.empty(); }
  bool is_masked() const { return !allowed_bitmask.empty(); }
  std::int64_t token_count() const { return static_cast<std::int64_t>(allowed_tokens.size()); }
  std::int64_t position(std::int64_t row, std::int64_t token) const { return row * shape.vocab_size + token; }
  double logit(std::int64_t row, std::int64_t token) const {
    return decode(logits[static_cast<std::size_t>(position(row, token))], shape.dtype);
  }
  void set_logit(std::int64_t row, std::int64_t token, double value);
  // Of a row whose list is known to be ascending.
  bool allows(std::int64_t row, std::int64_t token) const;
  // The allowed tokens of a row, ascending; of a constraint without a fault.
  std::vector<std::int32_t> allowed(std::int64_t row) const;
};

// Prints sizes and options, and the logits of one row, where they are few.
void describe(const RowsCase& rows, std::int64_t row);

// Reads sizes, options, logits and constraint; rows of a constraint may be empty where the caller takes them.
RowsCase read_rows(ByteReader& reader, Draw& draw, bool rows_may_be_empty);

// Reads single logits that the bytes set, up to their end.
void read_single_logits(ByteReader& reader, RowsCase& rows);

// Plants a fault, maybe none, in the constraint's arrays.
void plant_constraint_fault(Draw& draw, RowsCase& rows);

// The logits in memory of their own: [rows, vocab_size] by `stride`, without padding after the last row.
Elements place_rows(const RowsCase& rows, std::int64_t shift, std::int64_t stride);
// The logits of these tokens of a row, one after the other.
Elements place_tokens(const RowsCase& rows, std::int64_t row, const std::vector<std::int32_t>& tokens);
// The memory of place_rows() for an output of that form, not yet written.
Elements place_output(const RowsCase& rows, std::int64_t shift, std::int64_t stride);

// An array of exactly its size, as a vector may have more; null for an empty one.
template <class T>
std::unique_ptr<T[]> exact_copy(const std::vector<T>& values) {
  if (values.empty()) return nullptr;
  std::unique_ptr<T[]> copy(new T[values.size()]);
  std::copy(values.begin(), values.end(), copy.get());
  return copy;
}

} // namespace fused_bear_loss::fuzz
