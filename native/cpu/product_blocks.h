// What the products of the linear form have in common, whatever computes their blocks: scratch memory, and loops over
// blocks that threads share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "native/core/dtype.h"
#include "native/cpu/allowed_logits.h"
#include "native/cpu/matrix_products.h"
#include "native/cpu/row_loop.h"

namespace fused_bear_loss {

// Floats of the sums of a block of the gradient of hidden states: what a second-level cache holds beside its factors.
constexpr std::int64_t kHiddenSums = 1 << 18;
// Tokens of a block of the weight's gradient: whole tiles, whatever computes them.
constexpr std::int64_t kWeightTokens = 192;

inline std::int64_t blocks_of(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }
inline std::int64_t rounded_up(std::int64_t count, std::int64_t size) { return blocks_of(count, size) * size; }

// Scratch memory stays with the thread.
struct ProductScratch {
  std::vector<float> factor; // widened or packed rows
  std::vector<float> sums;
  std::vector<float> parts; // of a factor in bfloat16
};

inline ProductScratch& thread_product_scratch() {
  thread_local ProductScratch scratch;
  return scratch;
}

// From the start of a cache line.
inline float* memory_of(std::vector<float>& scratch, std::int64_t size) {
  reserve(scratch, size + kLineFloats);
  return line_start(scratch);
}

inline std::int32_t thread_limit(const ProductThreads& threads) {
  return threads.threads > 0 ? threads.threads : available_threads();
}

inline RowLoop product_loop(std::int64_t tasks, std::int64_t products, const ProductThreads& threads) {
  // Multiplications that take as long as a logit takes.
  constexpr std::int64_t kProductsPerLogit = 16;
  return {tasks, products / kProductsPerLogit, threads.threads, threads.abort};
}

// All blocks of a product, each once, by threads that have their scratch memory before the first.
template <class Blocks>
ComputeStatus compute_blocks(const Blocks& blocks, std::int64_t products, const ProductThreads& threads) {
  return run_rows(product_loop(blocks.count(), products, threads), [&] {
    blocks.take_scratch();
    return [&blocks](std::int64_t block) { blocks.compute(block); };
  });
}

// Logits by blocks of tokens, each of all rows.
struct LogitProduct {
  std::int64_t rows;
  const MatrixRows& weight;
  std::int64_t tokens;
  const float* bias;
  const float* packed; // the rows' hidden states
  float* logits;
  std::int64_t logits_stride;
};

// The gradient of the weight by blocks of kWeightTokens, each from all rows.
struct WeightProduct {
  const float* logits;
  std::int64_t logits_stride;
  std::int64_t hidden_size;
  std::int64_t rows;
  std::int64_t tokens;
  const float* packed; // the rows' hidden states, some rows at a time
  const WeightGradient& gradient;

  std::int64_t count() const { return blocks_of(tokens, kWeightTokens); }
};

template <class Element>
void write_hidden(const float* sums, std::int64_t count, bool accumulate, Element* out) {
  for (std::int64_t j = 0; j < count; ++j) from_float(accumulate ? to_float(out[j]) + sums[j] : sums[j], out[j]);
}

inline void write_hidden_row(const HiddenGradient& gradient, std::int64_t row, std::int64_t column, const float* sums,
                             std::int64_t count) {
  const std::int64_t place =
      (gradient.chosen == nullptr ? row : std::int64_t{gradient.chosen[row]}) * gradient.columns + column;
  if (gradient.dtype == DType::kBFloat16) {
    write_hidden(sums, count, gradient.accumulate, static_cast<BFloat16*>(gradient.data) + place);
  } else {
    write_hidden(sums, count, gradient.accumulate, static_cast<float*>(gradient.data) + place);
  }
}

// Copies a block of logits, kWeightTokens apart: a row's after those of the row before, as each lies in another page.
inline void copy_logits(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t tokens, float* out) {
  for (std::int64_t i = 0; i < rows; ++i, from += stride) {
#if defined(__GNUC__)
    constexpr std::int64_t kAhead = 8;
    if (i + kAhead < rows) {
      for (std::int64_t j = 0; j < tokens; j += kLineFloats) __builtin_prefetch(from + kAhead * stride + j, 0, 2);
    }
#endif
    std::copy(from, from + tokens, out + i * kWeightTokens);
  }
}

} // namespace fused_bear_loss
