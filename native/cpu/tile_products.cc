#include "native/cpu/tile_products.h"

#include <algorithm>
#include <cstring>

#include "native/core/linear_problem.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/product_blocks.h"

namespace fused_bear_loss {
namespace {

// Terms of the factors that are in a first-level cache together: of a logit, of a hidden state's gradient, which has
// two parts, and of a row of the weight's, which has three.
constexpr std::int64_t kDepth = 256;
constexpr std::int64_t kHiddenDepth = 128;
constexpr std::int64_t kWeightDepth = 128;
static_assert(kWeightDepth % kSummedRows == 0 && kSummedRows == kTileTerms, "a chunk ends where a sum does");
// Tokens that are summed up by themselves for a hidden state's gradient.
constexpr std::int64_t kHiddenTerms = 1024;
static_assert(kHiddenTerms % kHiddenDepth == 0, "a sum ends where a block does");
// Tokens of a block of logits.
constexpr std::int64_t kLogitTokens = 96;
static_assert(kLogitTokens % kTileSide == 0, "a block has no edges inside");
// Rows of a block of the gradient of hidden states, at most.
constexpr std::int64_t kHiddenRows = 256;
// Rows from which on a thread has enough of them to pack all of the weight for itself.
constexpr std::int64_t kRowsPerThread = 64;
// Rows of hidden states that are multiplied by a list's tokens at a time.
constexpr std::int64_t kListedRows = 2 * kTileSide;

// Two bfloat16 numbers are as large as a float32 one.
constexpr std::int64_t floats_of(std::int64_t numbers) { return numbers / 2; }

std::uint16_t* parts_memory(std::int64_t numbers) {
  return reinterpret_cast<std::uint16_t*>(memory_of(thread_product_scratch().parts, floats_of(numbers)));
}

// The same memory as pairs of columns, which move as one number.
MatrixRows pairs_of(const MatrixRows& rows) { return {rows.data, DType::kFloat32, rows.columns / 2, rows.chosen}; }

const std::uint16_t* row_at(const MatrixRows& rows, std::int64_t row) {
  const std::int64_t place = rows.chosen == nullptr ? row : std::int64_t{rows.chosen[row]};
  return static_cast<const std::uint16_t*>(rows.data) + place * rows.columns;
}

void copy(const std::uint16_t* from, std::int64_t count, std::uint16_t* to) {
  std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof *to);
}

// `packed` is in pairs of terms.
struct TileLogitBlocks : LogitProduct {
  std::int64_t count() const { return blocks_of(tokens, kLogitTokens); }

  void take_scratch() const { reserve(weight.columns); }

  static void reserve(std::int64_t hidden_size) {
    memory_of(thread_product_scratch().sums, kLogitTokens * kPairColumns);
    parts_memory(kLogitTokens * hidden_size);
  }

  void compute(std::int64_t block) const {
    const std::int64_t first = block * kLogitTokens;
    const std::int64_t count = std::min(kLogitTokens, tokens - first);
    const std::int64_t size = weight.columns;
    float* const sums = memory_of(thread_product_scratch().sums, kLogitTokens * kPairColumns);
    const std::uint16_t* factor = row_at(weight, first);
    if (count % kTileSide != 0) { // a tile would end behind the weight
      std::uint16_t* const whole = parts_memory(kLogitTokens * size);
      copy(factor, count * size, whole);
      factor = whole;
    }
    for (std::int64_t row = 0; row < rows; row += kPairColumns) {
      const std::int64_t columns = std::min(kPairColumns, rows - row);
      const float* const panel = packed + row * (size / 2);
      for (std::int64_t depth = 0; depth < size; depth += kDepth) {
        tile_kernel()->multiply({{factor + depth, size, 0, 1},
                                 count,
                                 std::min(kDepth, size - depth),
                                 panel + depth / 2 * kPairColumns,
                                 columns,
                                 sums,
                                 kPairColumns,
                                 depth == 0 ? ProductStart::kStore : ProductStart::kChain});
      }
      matrix_kernel().write_transposed(sums, count, columns, bias == nullptr ? nullptr : bias + first,
                                       logits + row * logits_stride + first, logits_stride);
    }
  }
};

// A block of rows times a block of columns of the weight.
class TileHiddenBlocks {
 public:
  TileHiddenBlocks(const float* logits, std::int64_t logits_stride, std::int64_t rows, const MatrixRows& weight,
                   std::int64_t tokens, const HiddenGradient& gradient, std::int32_t threads)
      : logits_(logits),
        logits_stride_(logits_stride),
        rows_(rows),
        weight_(weight),
        tokens_(tokens),
        gradient_(gradient),
        cut_(rows, weight.columns, threads),
        column_blocks_(blocks_of(weight.columns, cut_.columns)) {}

  // The cut moves no bit.
  struct Cut {
    std::int64_t rows;
    std::int64_t columns;

    Cut(std::int64_t all_rows, std::int64_t all_columns, std::int32_t threads) {
      // Each block of columns splits all logits, each block of rows packs all weights.
      const std::int64_t panels = blocks_of(all_columns, kPairColumns);
      const std::int64_t row_groups = std::clamp<std::int64_t>(all_rows / kRowsPerThread, 1, threads);
      columns = blocks_of(panels, std::min(panels, blocks_of(threads, row_groups))) * kPairColumns;
      const std::int64_t most = std::max(kTileSide, kHiddenSums / columns / kTileSide * kTileSide);
      rows = std::min({most, kHiddenRows, rounded_up(blocks_of(all_rows, row_groups), kTileSide)});
    }

    // What any cut of up to so many rows needs.
    static void reserve(std::int64_t most_rows, std::int64_t all_columns) {
      const std::int64_t rows = rounded_up(most_rows, kTileSide);
      const std::int64_t columns = rounded_up(all_columns, kPairColumns);
      const std::int64_t sums = std::min(rows * columns, std::max(kHiddenSums, kTileSide * columns));
      memory_of(thread_product_scratch().sums, 2 * sums);
      memory_of(thread_product_scratch().factor, kHiddenDepth / 2 * columns);
      parts_memory(kHiddenParts * std::min(rows, kHiddenRows) * kHiddenDepth);
    }

    void take_scratch() const {
      memory_of(thread_product_scratch().sums, 2 * rows * columns);
      memory_of(thread_product_scratch().factor, kHiddenDepth / 2 * columns);
      parts_memory(kHiddenParts * rows * kHiddenDepth);
    }
  };

  std::int64_t count() const { return column_blocks_ * blocks_of(rows_, cut_.rows); }
  void take_scratch() const { cut_.take_scratch(); }

  void compute(std::int64_t block) const {
    const std::int64_t first = block / column_blocks_ * cut_.rows;
    const std::int64_t count = std::min(cut_.rows, rows_ - first);
    const std::int64_t column = block % column_blocks_ * cut_.columns;
    const std::int64_t columns = std::min(cut_.columns, weight_.columns - column);
    const std::int64_t width = rounded_up(columns, kPairColumns);
    // Of kHiddenTerms tokens, and of those before them.
    float* const sums = memory_of(thread_product_scratch().sums, 2 * cut_.rows * cut_.columns);
    float* const totals = sums + count * width;
    std::fill_n(totals, count * width, 0.0F);
    float* const packed = memory_of(thread_product_scratch().factor, kHiddenDepth / 2 * cut_.columns);
    const TileParts parts = {parts_memory(kHiddenParts * cut_.rows * kHiddenDepth), kHiddenDepth,
                             cut_.rows * kHiddenDepth};
    for (std::int64_t token = 0; token < tokens_; token += kHiddenDepth) {
      const std::int64_t depth = std::min(kHiddenDepth, tokens_ - token);
      tile_kernel()->split_rows(logits_ + first * logits_stride_ + token, logits_stride_, count, depth, parts);
      tile_kernel()->pack_pairs(weight_, token, depth, column, columns, packed);
      multiply(parts, count, rounded_up(depth, kTileTerms), packed, columns, token % kHiddenTerms == 0, sums);
      const bool ends = (token + depth) % kHiddenTerms == 0 || token + depth == tokens_;
      if (ends) tile_kernel()->add_to(sums, count * width, totals);
    }
    for (std::int64_t j = 0; j < columns; j += kPairColumns) {
      for (std::int64_t row = 0; row < count; ++row) {
        write_hidden_row(gradient_, first + row, column + j, totals + j * count + row * kPairColumns,
                         std::min(kPairColumns, columns - j));
      }
    }
  }

 private:
  // The sums of a panel of columns lie together.
  static void multiply(const TileParts& parts, std::int64_t rows, std::int64_t depth, const float* packed,
                       std::int64_t columns, bool starts, float* sums) {
    for (std::int64_t j = 0; j < columns; j += kPairColumns) {
      tile_kernel()->multiply({{parts.data, parts.row_stride, parts.part_stride, kHiddenParts},
                               rows,
                               depth,
                               packed + j * (depth / 2),
                               std::min(kPairColumns, columns - j),
                               sums + j * rows,
                               kPairColumns,
                               starts ? ProductStart::kStore : ProductStart::kChain});
    }
  }

  // Two, as the gradient is rounded to bfloat16.
  static constexpr std::int64_t kHiddenParts = 2;

  const float* const logits_;
  const std::int64_t logits_stride_;
  const std::int64_t rows_;
  const MatrixRows& weight_;
  const std::int64_t tokens_;
  const HiddenGradient& gradient_;
  const Cut cut_;
  const std::int64_t column_blocks_;
};

// `packed` is in pairs of rows, kWeightDepth rows at a time.
struct TileWeightBlocks : WeightProduct {
  static void take_scratch() {
    memory_of(thread_product_scratch().factor, kWeightTokens * kWeightDepth);
    parts_memory(kMostParts * kWeightTokens * kWeightDepth);
  }

  void compute(std::int64_t block) const {
    const std::int64_t first = block * kWeightTokens;
    const std::int64_t count = std::min(kWeightTokens, tokens - first);
    float* const factor = memory_of(thread_product_scratch().factor, kWeightTokens * kWeightDepth);
    const TileParts parts = {parts_memory(kMostParts * kWeightTokens * kWeightDepth), kWeightDepth,
                             kWeightTokens * kWeightDepth};
    for (std::int64_t row = 0; row < rows; row += kWeightDepth) {
      const std::int64_t terms = std::min(kWeightDepth, rows - row);
      const std::int64_t depth = rounded_up(terms, kTileTerms);
      const bool starts = gradient.first && row == 0;
      copy_logits(logits + row * logits_stride + first, logits_stride, terms, count, factor);
      if (gradient.bias != nullptr) {
        add_to_bias(factor, terms, count, starts, gradient.bias + first);
      }
      if (gradient.weight == nullptr) continue;
      tile_kernel()->split_transposed(factor, kWeightTokens, terms, count, parts);
      const float* panel = packed + row / 2 * rounded_up(hidden_size, kPairColumns);
      for (std::int64_t j = 0; j < hidden_size; j += kPairColumns) {
        tile_kernel()->multiply({{parts.data, parts.row_stride, parts.part_stride, kMostParts},
                                 count,
                                 depth,
                                 panel,
                                 std::min(kPairColumns, hidden_size - j),
                                 gradient.weight + first * hidden_size + j,
                                 hidden_size,
                                 starts ? ProductStart::kStore : ProductStart::kChain});
        panel += depth / 2 * kPairColumns;
      }
    }
  }

 private:
  static void add_to_bias(const float* factor, std::int64_t terms, std::int64_t count, bool starts, float* bias) {
    if (starts) std::fill_n(bias, count, 0.0F);
    for (std::int64_t i = 0; i < terms; ++i) tile_kernel()->add_to(factor + i * kWeightTokens, count, bias);
  }
};

} // namespace

bool tiles_multiply(DType dtype, std::int64_t hidden_size) {
  return dtype == DType::kBFloat16 && hidden_size % kTileTerms == 0 && tile_kernel() != nullptr;
}

bool tiles_sum_rows(DType dtype, std::int64_t hidden_size, std::int64_t vocab_size) {
  constexpr std::int64_t kMostFloats = std::int64_t{32} << 20 >> 2;
  return linear_row_floats(vocab_size) <= kMostFloats / kSummedRows && tiles_multiply(dtype, hidden_size);
}

void reserve_tiles_scratch(std::int64_t rows, std::int64_t hidden_size) {
  TileLogitBlocks::reserve(hidden_size);
  TileHiddenBlocks::Cut::reserve(rows, hidden_size);
  TileWeightBlocks::take_scratch();
}

ComputeStatus tiles_multiply_to_logits(const MatrixRows& hidden, std::int64_t rows, const MatrixRows& weight,
                                       std::int64_t tokens, const float* bias, float* packed, float* logits,
                                       std::int64_t logits_stride, const ProductThreads& threads) {
  const MatrixRows pairs = pairs_of(hidden);
  for (std::int64_t row = 0; row < rows; row += kPairColumns) {
    matrix_kernel().pack_transposed(pairs, row, std::min(kPairColumns, rows - row), 0, pairs.columns,
                                    packed + row * pairs.columns);
  }
  const TileLogitBlocks blocks{{rows, weight, tokens, bias, packed, logits, logits_stride}};
  return compute_blocks(blocks, rows * tokens * hidden.columns, threads);
}

ComputeStatus tiles_multiply_to_hidden(const float* logits, std::int64_t logits_stride, std::int64_t rows,
                                       const MatrixRows& weight, std::int64_t tokens, const HiddenGradient& gradient,
                                       const ProductThreads& threads) {
  const TileHiddenBlocks blocks(logits, logits_stride, rows, weight, tokens, gradient, thread_limit(threads));
  return compute_blocks(blocks, rows * tokens * weight.columns, threads);
}

ComputeStatus tiles_multiply_to_weight(const float* logits, std::int64_t logits_stride, const MatrixRows& hidden,
                                       std::int64_t rows, std::int64_t tokens, float* packed,
                                       const WeightGradient& gradient, const ProductThreads& threads) {
  float* panel = packed;
  for (std::int64_t row = 0; row < rows && gradient.weight != nullptr; row += kWeightDepth) {
    const std::int64_t terms = std::min(kWeightDepth, rows - row);
    tile_kernel()->pack_pairs(hidden, row, terms, 0, hidden.columns, panel);
    panel += rounded_up(terms, kTileTerms) / 2 * rounded_up(hidden.columns, kPairColumns);
  }
  const TileWeightBlocks blocks{{logits, logits_stride, hidden.columns, rows, tokens, packed, gradient}};
  return compute_blocks(blocks, rows * tokens * hidden.columns, threads);
}

void take_tiles_listed_scratch() {
  memory_of(thread_product_scratch().factor, kDepth / 2 * kPairColumns);
  parts_memory(kListedRows * kDepth);
}

// Here rows are what the tokens are in TileLogitBlocks. Each product of two terms is the same, and so are the sums.
void tiles_compute_listed(const ListedLogits& logits, std::int64_t first, std::int64_t count) {
  const MatrixRows pairs = pairs_of(logits.weight);
  const std::int64_t size = logits.weight.columns;
  float* const packed = memory_of(thread_product_scratch().factor, kDepth / 2 * kPairColumns);
  std::uint16_t* const factor = parts_memory(kListedRows * kDepth);
  for (std::int64_t depth = 0; depth < size; depth += kDepth) {
    const std::int64_t terms = std::min(kDepth, size - depth);
    matrix_kernel().pack_transposed(pairs, first, count, depth / 2, terms / 2, packed);
    for (std::int64_t row = 0; row < logits.rows; row += kListedRows) {
      const std::int64_t rows = std::min(kListedRows, logits.rows - row);
      for (std::int64_t i = 0; i < rows; ++i) {
        copy(row_at(logits.given_hidden, row + i) + depth, terms, factor + i * kDepth);
      }
      tile_kernel()->multiply({{factor, kDepth, 0, 1},
                               rows,
                               terms,
                               packed,
                               count,
                               logits.logits + row * logits.logits_stride + first,
                               logits.logits_stride,
                               depth == 0 ? ProductStart::kStore : ProductStart::kChain});
    }
  }
}

} // namespace fused_bear_loss
