// Rows of logits as every call reads them: where they lie, which tokens each row allows, and how logits are scaled.
#pragma once

#include <cstdint>

#include "native/core/compiler.h"

namespace fused_bear_loss {

// The order of the enumerators is the order of the name table in option_names.h, which is what crosses to JavaScript.
enum class DType : std::int32_t { kFloat32, kFloat16, kBFloat16 };

// Sizes and strides are in elements and always 64 bit: rows * row_stride passes 2^31 in ordinary use.
struct LogitRows {
  std::int64_t rows = 0;
  std::int64_t vocab_size = 0;
  std::int64_t row_stride = 0;
  DType dtype = DType::kFloat32;
  const void* logits = nullptr; // [rows, vocab_size] by row_stride

  // The allowed-token constraint: CSR lists, or a bitmask, or neither (every token).
  const std::int32_t* allowed_offsets = nullptr;  // [rows + 1]
  const std::int32_t* allowed_tokens = nullptr;   // [allowed_offsets[rows]]
  const std::uint32_t* allowed_bitmask = nullptr; // [rows, bitmask_words(vocab_size)]

  std::int64_t beam_width = 10;
  double temperature = 1.0;
  double softcap = 0.0;     // 0: no cap
  std::int32_t threads = 0; // 0: as many as the machine has
};

// Number of 32-bit words in one row of an allowed-token bitmask.
FBL_SHARED_INLINE std::int64_t bitmask_words(std::int64_t vocab_size) { return (vocab_size + 31) / 32; }

} // namespace fused_bear_loss
