// Products of matrices by tiles that stay in registers, and the packing of what they read.
//
// This file is compiled once per instruction set with FBL_INSTRUCTION_SET naming it. It uses no STL and no inline
// function that another object could share (see compiler.h).

#include "native/cpu/matrix_kernel.h"

#include "native/core/dtype.h"
#include "native/cpu/simd.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {
namespace {

// As many accumulators as the registers hold beside a row of `b`: 24 of 32, or 12 of 16.
#if defined(__AVX512F__) || defined(FBL_USE_NEON)
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif
constexpr std::int64_t kPanelColumns = kTileVectors * kLanes;
static_assert(kPanelColumns <= kMostPanelColumns, "matrix_products.cc has that much memory for a tile");

// Floats in a line of the cache.
constexpr std::int64_t kLine = 16;

// The first rows of `a` of a tile. Where there are fewer than kTileRows, the last stands for the others.
struct TileRows {
  const float* row[kTileRows];
};

FBL_ALWAYS_INLINE TileRows tile_rows(const BlockProduct& product, std::int64_t first) {
  TileRows rows;
  const std::int64_t last = product.rows - 1;
#pragma GCC unroll 6
  for (int r = 0; r < kTileRows; ++r) {
    rows.row[r] = product.a + (first + r < last ? first + r : last) * product.a_row_stride;
  }
  return rows;
}

// Rows of `b`, and how to get the next of them.
struct PackedRows {
  const float* row;
};

struct ApartRows {
  const float* first;
  std::int64_t stride;
  const std::int32_t* number;
};

FBL_ALWAYS_INLINE const float* next_row(PackedRows& rows) {
  const float* const row = rows.row;
  rows.row += kPanelColumns;
  return row;
}

FBL_ALWAYS_INLINE const float* next_row(ApartRows& rows) {
  return rows.first + std::int64_t{*rows.number++} * rows.stride;
}

// What is read of `a`, `depth` elements of each row, `step` apart.
struct TileDepth {
  std::int64_t depth;
  std::int64_t step;
  std::int64_t prefetch;
};

template <int kHeight, int kVectors, class Rows>
FBL_ALWAYS_INLINE void multiply_tile(const TileDepth& of, ProductStart start, const TileRows& a, Rows b,
                                     float* const* c) {
  Vec sums[kHeight][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kHeight; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = start == ProductStart::kChain ? load(c[r] + v * kLanes) : broadcast(0);
    }
  }
  std::int64_t place = 0;
  for (std::int64_t begin = 0; begin < of.depth; begin += kLine) {
    const std::int64_t end = begin + kLine < of.depth ? begin + kLine : of.depth;
    if (of.prefetch != 0) {
#pragma GCC unroll 6
      for (int r = 0; r < kHeight; ++r) __builtin_prefetch(a.row[r] + place + of.prefetch, 0, 2);
    }
    for (std::int64_t d = begin; d < end; ++d) {
      const float* const b_row = next_row(b);
      Vec row[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) row[v] = load(b_row + v * kLanes);
#pragma GCC unroll 6
      for (int r = 0; r < kHeight; ++r) {
        const Vec factor = broadcast(a.row[r][place]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sums[r][v] = multiply_add(factor, row[v], sums[r][v]);
      }
      place += of.step;
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kHeight; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      float* const place_of_sum = c[r] + v * kLanes;
      store(place_of_sum, start == ProductStart::kAdd ? add(load(place_of_sum), sums[r][v]) : sums[r][v]);
    }
  }
}

template <int kVectors>
FBL_ALWAYS_INLINE void multiply_packed(const BlockProduct& product, const TileRows& a, float* c,
                                       std::int64_t c_stride) {
  float* rows[kTileRows];
#pragma GCC unroll 6
  for (int r = 0; r < kTileRows; ++r) rows[r] = c + r * c_stride;
  multiply_tile<kTileRows, kVectors>({product.depth, product.a_depth_stride, product.prefetch}, product.start, a,
                                     PackedRows{product.b}, rows);
}

// A tile that is not all in the output, through memory of its own.
template <int kVectors>
FBL_NEVER_INLINE void multiply_edge(const BlockProduct& product, const TileRows& a, std::int64_t rows, float* c) {
  float tile[kTileRows * kPanelColumns];
  if (product.start != ProductStart::kStore) {
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      for (std::int64_t j = 0; j < kVectors * kLanes; ++j) {
        tile[r * kPanelColumns + j] = r < rows && j < product.columns ? c[r * product.c_stride + j] : 0.0f;
      }
    }
  }
  multiply_packed<kVectors>(product, a, tile, kPanelColumns);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t j = 0; j < product.columns; ++j) c[r * product.c_stride + j] = tile[r * kPanelColumns + j];
  }
}

template <int kVectors>
void multiply_rows(const BlockProduct& product) {
  const bool whole_columns = product.columns == kVectors * kLanes;
  for (std::int64_t first = 0; first < product.rows; first += kTileRows) {
    const TileRows a = tile_rows(product, first);
    float* const c = product.c + first * product.c_stride;
    const std::int64_t rows = product.rows - first;
    if (whole_columns && rows >= kTileRows) {
      multiply_packed<kVectors>(product, a, c, product.c_stride);
    } else {
      multiply_edge<kVectors>(product, a, rows < kTileRows ? rows : kTileRows, c);
    }
  }
}

void multiply(const BlockProduct& product) {
  switch ((product.columns + kLanes - 1) / kLanes) {
    case 1:
      return multiply_rows<1>(product);
#if defined(__AVX512F__) || defined(FBL_USE_NEON)
    case 2:
      return multiply_rows<2>(product);
    case 3:
      return multiply_rows<3>(product);
#endif
    default:
      return multiply_rows<kTileVectors>(product);
  }
}

// Calls `use(row)` with a function that gives the elements of a row from a column on.
template <class Use>
FBL_ALWAYS_INLINE void with_rows(const MatrixRows& rows, std::int64_t column, const Use& use) {
  const auto with_element = [&](auto element) {
    using Element = decltype(element);
    const auto* const data = static_cast<const Element*>(rows.data) + column;
    use([=, &rows](std::int64_t row) {
      return data + (rows.chosen == nullptr ? row : std::int64_t{rows.chosen[row]}) * rows.columns;
    });
  };
  if (rows.dtype == DType::kBFloat16) {
    with_element(BFloat16{});
  } else {
    with_element(float{});
  }
}

FBL_ALWAYS_INLINE std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// A vector of a row's elements from `from` on, of which `left` are there: at least one.
template <class Element>
FBL_ALWAYS_INLINE Vec load_some(const Element* from, std::int64_t left) {
  return left >= kLanes ? load(from) : load_first(from, static_cast<int>(left), 0);
}

void pack_rows(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
               std::int64_t columns, float* packed) {
  with_rows(rows, column, [&](auto row_at) {
    for (std::int64_t r = 0; r < count; ++r) {
      const auto* const row = row_at(first + r);
      float* const out = packed + r * kPanelColumns;
      for (std::int64_t j = 0; j < kPanelColumns; j += kLanes) {
        store(out + j, j < columns ? load_some(row + j, columns - j) : broadcast(0));
      }
    }
  });
}

void pack_transposed(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                     std::int64_t columns, float* packed) {
  with_rows(rows, column, [&](auto row_at) {
    for (std::int64_t r = 0; r < count; r += kLanes) {
      for (std::int64_t j = 0; j < columns; j += kLanes) {
        Vec block[kLanes];
        for (std::int64_t i = 0; i < kLanes; ++i) {
          block[i] = r + i < count ? load_some(row_at(first + r + i) + j, columns - j) : broadcast(0);
        }
        transpose(block);
        for (std::int64_t i = 0; i < least(kLanes, columns - j); ++i) {
          store(packed + (j + i) * kPanelColumns + r, block[i]);
        }
      }
    }
  });
}

void widen_rows(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                std::int64_t columns, float* out) {
  with_rows(rows, column, [&](auto row_at) {
    for (std::int64_t r = 0; r < count; ++r) {
      const auto* const row = row_at(first + r);
      std::int64_t j = 0;
      for (; j + kLanes <= columns; j += kLanes) store(out + j, load(row + j));
      for (; j < columns; ++j) out[j] = to_float(row[j]);
      out += columns;
    }
  });
}

// Some rows of `a`, and columns from `column` on.
template <int kHeight, int kVectors>
FBL_NEVER_INLINE void multiply_apart_tile(const ApartProduct& product, std::int64_t first, std::int64_t column) {
  TileRows a;
  float* c[kHeight];
#pragma GCC unroll 6
  for (int r = 0; r < kHeight; ++r) {
    a.row[r] = product.a + (first + r) * product.a_row_stride;
    c[r] = product.c + std::int64_t{product.c_rows[first + r]} * product.c_row_stride + column;
  }
  multiply_tile<kHeight, kVectors>({product.depth, 1, 0}, product.start, a,
                                   ApartRows{product.b + column, product.b_row_stride, product.b_rows}, c);
}

// Of one row of `a`, fewer columns than a vector has.
void multiply_apart_rest(const ApartProduct& product, std::int64_t row, std::int64_t column) {
  const auto left = static_cast<int>(product.columns - column);
  float* const c = product.c + std::int64_t{product.c_rows[row]} * product.c_row_stride + column;
  Vec sum = product.start == ProductStart::kChain ? load_first(c, left, 0) : broadcast(0);
  for (std::int64_t d = 0; d < product.depth; ++d) {
    const float* const b = product.b + std::int64_t{product.b_rows[d]} * product.b_row_stride + column;
    sum = multiply_add(broadcast(product.a[row * product.a_row_stride + d]), load_first(b, left, 0), sum);
  }
  store_first(c, product.start == ProductStart::kAdd ? add(load_first(c, left, 0), sum) : sum, left);
}

// Of one row of `a`, which keeps no tile busy: more columns at a time, from `column` on.
void multiply_apart_row(const ApartProduct& product, std::int64_t row, std::int64_t column) {
  constexpr int kMany = 8;
  for (; column + kMany * kLanes <= product.columns; column += kMany * kLanes) {
    multiply_apart_tile<1, kMany>(product, row, column);
  }
  for (; column + kLanes <= product.columns; column += kLanes) multiply_apart_tile<1, 1>(product, row, column);
  if (column < product.columns) multiply_apart_rest(product, row, column);
}

// Of a tile that is next: rows of the output lie in memory that nobody has touched for long.
FBL_ALWAYS_INLINE void prefetch_outputs(const ApartProduct& product, std::int64_t first, std::int64_t column) {
  for (int r = 0; r < kTileRows; ++r) {
    float* const c = product.c + std::int64_t{product.c_rows[first + r]} * product.c_row_stride + column;
    for (std::int64_t j = 0; j < kPanelColumns; j += kLine) __builtin_prefetch(c + j, 1, 3);
  }
}

void multiply_apart(const ApartProduct& product) {
  const std::int64_t tiled_rows = product.rows / kTileRows * kTileRows;
  const std::int64_t tiled_columns = product.columns / kPanelColumns * kPanelColumns;
  for (std::int64_t column = 0; column < tiled_columns; column += kPanelColumns) {
    for (std::int64_t row = 0; row < tiled_rows; row += kTileRows) {
      if (row + kTileRows < tiled_rows) prefetch_outputs(product, row + kTileRows, column);
      multiply_apart_tile<kTileRows, kTileVectors>(product, row, column);
    }
  }
  for (std::int64_t row = 0; row < product.rows; ++row) {
    multiply_apart_row(product, row, row < tiled_rows ? tiled_columns : 0);
  }
}

void write_transposed(const float* c, std::int64_t rows, std::int64_t columns, const float* bias, float* out,
                      std::int64_t out_stride) {
  for (std::int64_t r = 0; r < rows; r += kLanes) {
    const std::int64_t height = least(kLanes, rows - r);
    const Vec added = bias == nullptr ? broadcast(0) : load_some(bias + r, height);
    for (std::int64_t j = 0; j < columns; j += kLanes) {
      Vec block[kLanes];
      for (std::int64_t i = 0; i < kLanes; ++i) {
        block[i] = i < height ? load(c + (r + i) * kPanelColumns + j) : broadcast(0);
      }
      transpose(block);
      for (std::int64_t i = 0; i < least(kLanes, columns - j); ++i) {
        float* const place = out + (j + i) * out_stride + r;
        const Vec value = bias == nullptr ? block[i] : add(block[i], added);
        if (height == kLanes) {
          store(place, value);
        } else {
          store_first(place, value, static_cast<int>(height));
        }
      }
    }
  }
}

} // namespace

const MatrixKernel matrix_kernel = {kPanelColumns, multiply,       pack_rows,       pack_transposed,
                                    widen_rows,    multiply_apart, write_transposed};

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
