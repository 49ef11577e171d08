// Products of matrices, a block at a time: what is compiled once per instruction set and chosen at run time.
// docs/linear.md says how the linear form is made of them.
#pragma once

#include <cstdint>

#include "native/core/logit_rows.h"

namespace fused_bear_loss {

// Rows of a tile, which is what a product keeps in registers.
constexpr std::int64_t kTileRows = 6;
// Terms of an inner product that are summed by themselves. A packed block of that many rows fits a first-level cache.
constexpr std::int64_t kBlockDepth = 128;
// Columns of the widest tile.
constexpr std::int64_t kMostPanelColumns = 64;

// How a product meets what its output holds.
enum class ProductStart {
  kStore, // writes over it
  kAdd,   // adds the finished sum
  kChain, // is where the sum begins
};

// c[r][j] from the sum over d of a[r][d] b[d][j], every sum in ascending order of d.
struct BlockProduct {
  const float* a;
  std::int64_t a_row_stride;
  std::int64_t a_depth_stride;
  std::int64_t rows;
  std::int64_t depth;
  const float* b;       // packed: `depth` rows of panel_columns floats
  std::int64_t columns; // at most panel_columns
  float* c;
  std::int64_t c_stride;
  ProductStart start;
  std::int64_t prefetch; // floats from an element of `a` to one that is needed soon; 0: none
};

// The same of rows that lie apart: c[c_rows[r]][j] from the sum over d of a[r][d] b[b_rows[d]][j].
struct ApartProduct {
  const float* a;
  std::int64_t a_row_stride;
  std::int64_t rows;
  std::int64_t depth;
  const float* b;
  std::int64_t b_row_stride;
  const std::int32_t* b_rows;
  std::int64_t columns;
  float* c;
  std::int64_t c_row_stride;
  const std::int32_t* c_rows;
  ProductStart start;
};

// Rows of a matrix that lie apart, or some of them.
struct MatrixRows {
  const void* data = nullptr;
  DType dtype = DType::kFloat32;        // kFloat32 or kBFloat16
  std::int64_t columns = 0;             // and elements from row to row
  const std::int32_t* chosen = nullptr; // null: all, in order
};

struct MatrixKernel {
  std::int64_t panel_columns;
  void (*multiply)(const BlockProduct& product);
  // Rows from `first` on, `count` of them, and columns from `column` on: packed[row][j], zero where there is no column.
  void (*pack_rows)(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                    std::int64_t columns, float* packed);
  // The same transposed: packed[j][row], where `count` is at most panel_columns. Vectors without a row are left alone.
  void (*pack_transposed)(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                          std::int64_t columns, float* packed);
  // Widened, without padding: out[row][j], `columns` apart.
  void (*widen_rows)(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                     std::int64_t columns, float* out);
  void (*multiply_apart)(const ApartProduct& product);
  // out[j][i] = c[i][j] + bias[i]; c has panel_columns in a row. `bias` may be null.
  void (*write_transposed)(const float* c, std::int64_t rows, std::int64_t columns, const float* bias, float* out,
                           std::int64_t out_stride);
};

#define FBL_DECLARE_MATRIX_KERNEL(instruction_set) \
  namespace instruction_set {                      \
  extern const MatrixKernel matrix_kernel;         \
  }
FBL_DECLARE_MATRIX_KERNEL(baseline)
FBL_DECLARE_MATRIX_KERNEL(avx2)
FBL_DECLARE_MATRIX_KERNEL(avx512)
FBL_DECLARE_MATRIX_KERNEL(neon)
#undef FBL_DECLARE_MATRIX_KERNEL

} // namespace fused_bear_loss
