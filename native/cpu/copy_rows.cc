#include <cstring>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/cpu/row_loop.h"

namespace fused_bear_loss {
namespace {

// Copying a logit takes a fraction of what the kernel takes for one.
constexpr std::int64_t kCopiesPerLogit = 4;

void copy_listed(const LogitRows& rows, std::int64_t row, const char* from, char* to) noexcept {
  const auto size = static_cast<std::size_t>(element_size(rows.dtype));
  for (std::int32_t i = rows.allowed_offsets[row]; i < rows.allowed_offsets[row + 1]; ++i) {
    const std::size_t position = static_cast<std::size_t>(rows.allowed_tokens[i]) * size;
    std::memcpy(to + position, from + position, size);
  }
}

} // namespace

void copy_rows(const LogitRows& rows, void* destination, std::int64_t destination_stride, bool listed_only) {
  const std::int64_t size = element_size(rows.dtype);
  const std::int64_t copied = listed_only ? std::int64_t{rows.allowed_offsets[rows.rows]} : rows.rows * rows.vocab_size;
  const auto copy = [&](std::int64_t row) noexcept {
    const char* const from = static_cast<const char*>(rows.logits) + row * rows.row_stride * size;
    char* const to = static_cast<char*>(destination) + row * destination_stride * size;
    if (listed_only) {
      copy_listed(rows, row, from, to);
    } else {
      std::memcpy(to, from, static_cast<std::size_t>(rows.vocab_size * size));
    }
  };
  run_rows({rows.rows, copied / kCopiesPerLogit, rows.threads}, [&] { return copy; });
}

} // namespace fused_bear_loss
