// Products of bfloat16 matrices by the tiles of AMX: 16 rows of 32 terms times 32 terms of 16 columns, in one
// instruction. docs/linear.md says which sums are made of them, and in which order.
#pragma once

#include <cstdint>

#include "native/cpu/matrix_kernel.h"

namespace fused_bear_loss {

constexpr std::int64_t kTileSide = 16;
// Terms that one instruction sums up. A depth is a multiple of it, filled up with zeros.
constexpr std::int64_t kTileTerms = 32;
// Columns of a packed factor, each of pairs of terms.
constexpr std::int64_t kPairColumns = 64;
// A float32 number as the sum of bfloat16 numbers: two keep it to 2^-16 of its size, three to 2^-24.
constexpr std::int64_t kMostParts = 3;

// A left factor, [rows, depth], in one part or as the sum of several. There is memory for whole tiles of rows.
struct TileFactor {
  const std::uint16_t* data;
  std::int64_t row_stride;
  std::int64_t part_stride;
  std::int64_t parts;
};

// c[r][j] from the sum over d of a[r][d] b[d][j]: of 32 terms at a time, ascending, and of these part by part.
struct TileProduct {
  TileFactor a;
  std::int64_t rows;
  std::int64_t depth;
  const float* b; // packed: `depth` / 2 rows of kPairColumns pairs
  std::int64_t columns;
  float* c; // there is memory for whole tiles of columns, and no more rows than there are
  std::int64_t c_stride;
  ProductStart start; // kStore or kChain
};

// Where the parts of a factor go.
struct TileParts {
  std::uint16_t* data;
  std::int64_t row_stride;
  std::int64_t part_stride;
};

struct TileKernel {
  void (*multiply)(const TileProduct& product);
  // bfloat16 rows from `first` on, `count` of them, as pairs of rows, kPairColumns columns at a time:
  // packed[column / kPairColumns][row / 2][column % kPairColumns]. Zero where a row is not there, up to a multiple of
  // kTileTerms. `columns` is such a multiple.
  void (*pack_pairs)(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                     std::int64_t columns, float* packed);
  // The first two parts of `rows` rows of numbers: out[part][row][column], zero in columns that are not there, up to a
  // multiple of kTileTerms.
  void (*split_rows)(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                     const TileParts& out);
  // All three parts, transposed: out[part][column][row], zero in rows that are not there, up to a multiple of
  // kTileTerms, and in columns up to one of kTileSide.
  void (*split_transposed)(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                           const TileParts& out);
  // to[i] += from[i]
  void (*add_to)(const float* from, std::int64_t count, float* to);
};

// Null where this build or this processor has no such tiles, or the operating system does not permit them, which it is
// asked once.
const TileKernel* amx_tile_kernel();

} // namespace fused_bear_loss
