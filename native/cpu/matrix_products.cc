#include "native/cpu/matrix_products.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "native/core/dtype.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/product_blocks.h"
#include "native/cpu/tile_products.h"

namespace fused_bear_loss {
namespace {

constexpr std::int64_t kLine = kLineFloats;

// Tokens of a block of logits: whole tiles, and whole lines of the cache in each row of logits.
constexpr std::int64_t kLogitTokens = 96;
static_assert(kLogitTokens % kTileRows == 0 && kLogitTokens % kLine == 0, "a block has no edges inside");
static_assert(kWeightTokens % kTileRows == 0, "a block has no edges inside");

// Packs the columns of rows `first` to `first + count` for a product in which the rows are the depth: panel by panel.
void pack_panels(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                 std::int64_t columns, float* packed) {
  const MatrixKernel& kernel = matrix_kernel();
  for (std::int64_t j = 0; j < columns; j += kernel.panel_columns) {
    kernel.pack_rows(rows, first, count, column + j, std::min(kernel.panel_columns, columns - j), packed);
    packed += count * kernel.panel_columns;
  }
}

// How the gradient of hidden states is cut into blocks.
struct HiddenCut {
  std::int64_t rows;
  std::int64_t columns;

  HiddenCut(std::int64_t all_rows, std::int64_t all_columns, std::int32_t threads) {
    const std::int64_t panel = matrix_kernel().panel_columns;
    const std::int64_t panels = blocks_of(all_columns, panel);
    // Each block of columns reads all logits, each block of rows packs all weights: the former is cheaper.
    columns = blocks_of(panels, std::min<std::int64_t>(panels, threads)) * panel;
    const std::int64_t row_groups = blocks_of(threads, blocks_of(all_columns, columns));
    const std::int64_t most = std::max(kTileRows, kHiddenSums / columns / kTileRows * kTileRows);
    rows = std::min(most, rounded_up(blocks_of(all_rows, row_groups), kTileRows));
  }

  void take_scratch() const {
    memory_of(thread_product_scratch().sums, rows * columns);
    memory_of(thread_product_scratch().factor, kBlockDepth * columns);
  }
};

bool by_tiles(const MatrixRows& weight) {
  if constexpr (kMayHaveTiles) return tiles_multiply(weight.dtype, weight.columns);
  return false;
}

struct LogitBlocks : LogitProduct {
  std::int64_t count() const { return blocks_of(tokens, kLogitTokens); }

  void take_scratch() const { reserve(weight.columns); }

  static void reserve(std::int64_t hidden_size) {
    memory_of(thread_product_scratch().sums, kLogitTokens * kMostPanelColumns);
    memory_of(thread_product_scratch().factor, kLogitTokens * hidden_size);
  }

  void compute(std::int64_t block) const {
    const std::int64_t first = block * kLogitTokens;
    const std::int64_t count = std::min(kLogitTokens, tokens - first);
    const MatrixKernel& kernel = matrix_kernel();
    ProductScratch& scratch = thread_product_scratch();
    float* const sums = memory_of(scratch.sums, kLogitTokens * kMostPanelColumns);
    const std::int64_t size = weight.columns;
    const bool as_it_lies = weight.dtype == DType::kFloat32 && weight.chosen == nullptr;
    const float* factor = static_cast<const float*>(weight.data) + first * size;
    if (!as_it_lies) {
      float* const widened = memory_of(scratch.factor, kLogitTokens * size);
      kernel.widen_rows(weight, first, count, 0, size, widened);
      factor = widened;
    }
    for (std::int64_t row = 0; row < rows; row += kernel.panel_columns) {
      const std::int64_t columns = std::min(kernel.panel_columns, rows - row);
      const float* panel = packed + row * size;
      for (std::int64_t depth = 0; depth < size; depth += kBlockDepth) {
        const std::int64_t terms = std::min(kBlockDepth, size - depth);
        kernel.multiply({factor + depth, size, 1, count, terms, panel + depth * kernel.panel_columns, columns, sums,
                         kernel.panel_columns, depth == 0 ? ProductStart::kStore : ProductStart::kAdd,
                         as_it_lies && row == 0 ? kTileRows * size : 0});
      }
      kernel.write_transposed(sums, count, columns, bias == nullptr ? nullptr : bias + first,
                              logits + row * logits_stride + first, logits_stride);
    }
  }
};

// `packed` is in blocks of depth().
struct WeightGradientBlocks : WeightProduct {
  static void take_scratch() { memory_of(thread_product_scratch().factor, kBlockDepth * kWeightTokens); }

  // Rows that are added up in registers: blocks of about the same size, as the sums go on from block to block.
  static std::int64_t depth(std::int64_t rows) { return blocks_of(rows, blocks_of(rows, kBlockDepth)); }

  void compute(std::int64_t block) const {
    const MatrixKernel& kernel = matrix_kernel();
    const std::int64_t first = block * kWeightTokens;
    const std::int64_t count = std::min(kWeightTokens, tokens - first);
    float* const factor = memory_of(thread_product_scratch().factor, kBlockDepth * kWeightTokens);
    const std::int64_t most = depth(rows);
    for (std::int64_t row = 0; row < rows; row += most) {
      const std::int64_t terms = std::min(most, rows - row);
      const bool starts = gradient.first && row == 0;
      copy_logits(logits + row * logits_stride + first, logits_stride, terms, count, factor);
      if (gradient.bias != nullptr) add_to_bias(factor, terms, count, starts, gradient.bias + first);
      if (gradient.weight == nullptr) continue;
      const float* panel = packed + row * rounded_up(hidden_size, kernel.panel_columns);
      for (std::int64_t j = 0; j < hidden_size; j += kernel.panel_columns) {
        kernel.multiply({factor, 1, kWeightTokens, count, terms, panel, std::min(kernel.panel_columns, hidden_size - j),
                         gradient.weight + first * hidden_size + j, hidden_size,
                         starts ? ProductStart::kStore : ProductStart::kChain, 0});
        panel += terms * kernel.panel_columns;
      }
    }
  }

 private:
  static void add_to_bias(const float* factor, std::int64_t terms, std::int64_t count, bool starts, float* bias) {
    if (starts) std::fill(bias, bias + count, 0.0F);
    for (std::int64_t i = 0; i < terms; ++i) {
      for (std::int64_t j = 0; j < count; ++j) bias[j] += factor[i * kWeightTokens + j];
    }
  }
};

} // namespace

HiddenGradientBlocks::HiddenGradientBlocks(const float* logits, std::int64_t logits_stride, std::int64_t rows,
                                           const MatrixRows& weight, std::int64_t tokens,
                                           const HiddenGradient& gradient, std::int32_t threads)
    : logits_(logits),
      logits_stride_(logits_stride),
      rows_(rows),
      weight_(weight),
      tokens_(tokens),
      gradient_(gradient) {
  const HiddenCut cut(rows, weight.columns, threads);
  block_rows_ = cut.rows;
  block_columns_ = cut.columns;
  column_blocks_ = blocks_of(weight.columns, cut.columns);
}

std::int64_t HiddenGradientBlocks::count() const { return column_blocks_ * blocks_of(rows_, block_rows_); }

void HiddenGradientBlocks::take_scratch() const {
  memory_of(thread_product_scratch().sums, block_rows_ * block_columns_);
  memory_of(thread_product_scratch().factor, kBlockDepth * block_columns_);
}

void HiddenGradientBlocks::compute(std::int64_t block) const {
  const MatrixKernel& kernel = matrix_kernel();
  const std::int64_t first = block / column_blocks_ * block_rows_;
  const std::int64_t count = std::min(block_rows_, rows_ - first);
  const std::int64_t column = block % column_blocks_ * block_columns_;
  const std::int64_t columns = std::min(block_columns_, weight_.columns - column);
  float* const sums = memory_of(thread_product_scratch().sums, block_rows_ * block_columns_);
  float* const packed = memory_of(thread_product_scratch().factor, kBlockDepth * block_columns_);
  for (std::int64_t token = 0; token < tokens_; token += kBlockDepth) {
    const std::int64_t depth = std::min(kBlockDepth, tokens_ - token);
    pack_panels(weight_, token, depth, column, columns, packed);
    const bool more = token + depth < tokens_;
    for (std::int64_t j = 0; j < columns; j += kernel.panel_columns) {
      // The sums of a panel lie together.
      kernel.multiply({logits_ + first * logits_stride_ + token, logits_stride_, 1, count, depth, packed + j * depth,
                       std::min(kernel.panel_columns, columns - j), sums + j * count, kernel.panel_columns,
                       token == 0 ? ProductStart::kStore : ProductStart::kAdd, more && j == 0 ? kBlockDepth : 0});
    }
  }
  for (std::int64_t j = 0; j < columns; j += kernel.panel_columns) {
    const std::int64_t width = std::min(kernel.panel_columns, columns - j);
    for (std::int64_t row = 0; row < count; ++row) {
      write_hidden_row(gradient_, first + row, column + j, sums + j * count + row * kernel.panel_columns, width);
    }
  }
}

std::int64_t ListedLogits::blocks() const { return blocks_of(tokens, matrix_kernel().panel_columns); }

void ListedLogits::take_scratch() {
  memory_of(thread_product_scratch().factor, kBlockDepth * kMostPanelColumns);
  if constexpr (kMayHaveTiles) take_tiles_listed_scratch();
}

void ListedLogits::compute(std::int64_t block) const {
  const MatrixKernel& kernel = matrix_kernel();
  const std::int64_t size = weight.columns;
  const std::int64_t first = block * kernel.panel_columns;
  const std::int64_t count = std::min(kernel.panel_columns, tokens - first);
  if (by_tiles(weight)) {
    if constexpr (kMayHaveTiles) tiles_compute_listed(*this, first, count);
  } else {
    float* const packed = memory_of(thread_product_scratch().factor, kBlockDepth * kMostPanelColumns);
    for (std::int64_t depth = 0; depth < size; depth += kBlockDepth) {
      const std::int64_t terms = std::min(kBlockDepth, size - depth);
      kernel.pack_transposed(weight, first, count, depth, terms, packed);
      kernel.multiply({hidden + depth, hidden_stride, 1, rows, terms, packed, count, logits + first, logits_stride,
                       depth == 0 ? ProductStart::kStore : ProductStart::kAdd, 0});
    }
  }
  if (bias == nullptr) return;
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const out = logits + row * logits_stride + first;
    for (std::int64_t j = 0; j < count; ++j) out[j] += bias[weight.chosen[first + j]];
  }
}

std::int64_t packed_floats(std::int64_t rows, std::int64_t hidden_size) {
  // Either the rows or the columns are whole panels.
  return std::max(rounded_up(rows, kMostPanelColumns) * hidden_size, rows * rounded_up(hidden_size, kMostPanelColumns));
}

void reserve_product_scratch(std::int64_t rows, const MatrixRows& weight, std::int32_t threads) {
  const std::int64_t hidden_size = weight.columns;
  LogitBlocks::reserve(hidden_size);
  WeightGradientBlocks::take_scratch();
  HiddenCut(rows, hidden_size, thread_limit({threads, nullptr})).take_scratch();
  if constexpr (kMayHaveTiles) {
    if (by_tiles(weight)) reserve_tiles_scratch(rows, hidden_size);
  }
}

ComputeStatus multiply_to_logits(const MatrixRows& hidden, std::int64_t rows, const MatrixRows& weight,
                                 std::int64_t tokens, const float* bias, float* packed, float* logits,
                                 std::int64_t logits_stride, const ProductThreads& threads) {
  if constexpr (kMayHaveTiles) {
    if (by_tiles(weight)) {
      return tiles_multiply_to_logits(hidden, rows, weight, tokens, bias, packed, logits, logits_stride, threads);
    }
  }
  const MatrixKernel& kernel = matrix_kernel();
  for (std::int64_t row = 0; row < rows; row += kernel.panel_columns) {
    kernel.pack_transposed(hidden, row, std::min(kernel.panel_columns, rows - row), 0, hidden.columns,
                           packed + row * hidden.columns);
  }
  const LogitBlocks blocks{{rows, weight, tokens, bias, packed, logits, logits_stride}};
  return compute_blocks(blocks, rows * tokens * hidden.columns, threads);
}

ComputeStatus multiply_to_hidden(const float* logits, std::int64_t logits_stride, std::int64_t rows,
                                 const MatrixRows& weight, std::int64_t tokens, const HiddenGradient& gradient,
                                 const ProductThreads& threads) {
  if constexpr (kMayHaveTiles) {
    if (by_tiles(weight)) {
      return tiles_multiply_to_hidden(logits, logits_stride, rows, weight, tokens, gradient, threads);
    }
  }
  const HiddenGradientBlocks blocks(logits, logits_stride, rows, weight, tokens, gradient, thread_limit(threads));
  return compute_blocks(blocks, rows * tokens * weight.columns, threads);
}

ComputeStatus multiply_to_weight(const float* logits, std::int64_t logits_stride, const MatrixRows& hidden,
                                 std::int64_t rows, std::int64_t tokens, float* packed, const WeightGradient& gradient,
                                 const ProductThreads& threads) {
  if constexpr (kMayHaveTiles) {
    if (tiles_sum_rows(hidden.dtype, hidden.columns, tokens)) {
      return tiles_multiply_to_weight(logits, logits_stride, hidden, rows, tokens, packed, gradient, threads);
    }
  }
  const std::int64_t depth = WeightGradientBlocks::depth(rows);
  const std::int64_t width = rounded_up(hidden.columns, matrix_kernel().panel_columns);
  for (std::int64_t row = 0; row < rows && gradient.weight != nullptr; row += depth) {
    pack_panels(hidden, row, std::min(depth, rows - row), 0, hidden.columns, packed + row * width);
  }
  const WeightGradientBlocks blocks{{logits, logits_stride, hidden.columns, rows, tokens, packed, gradient}};
  return compute_blocks(blocks, rows * tokens * hidden.columns, threads);
}

} // namespace fused_bear_loss
