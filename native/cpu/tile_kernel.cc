// The tiles of AMX. What is not a tile needs AVX-512 and its bfloat16 conversions, which every processor with tiles
// has.
//
// The instructions of tiles are written as such: so the file needs no flag that an older compiler lacks, and is an
// ordinary source of the room. Like the kernels, it uses no STL and no inline function that another object could share.

#include "native/cpu/tile_kernel.h"

#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
#define FBL_HAVE_TILES
#endif

#if defined(FBL_HAVE_TILES)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native/core/dtype.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")
#endif

#undef FBL_INSTRUCTION_SET
#define FBL_INSTRUCTION_SET amx
#include "native/cpu/simd_avx512.h"

namespace fused_bear_loss {
namespace amx {
namespace {

// As LDTILECFG reads it.
struct alignas(64) TileConfig {
  std::uint8_t palette;
  std::uint8_t start_row;
  std::uint8_t reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};

constexpr TileConfig kWholeTiles = {1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// Tiles 0 to 3 are sums, of two rows of tiles by two columns; 4 and 5 are of `a`, 6 and 7 of `b`. No compiler keeps
// anything of its own in a tile.
#define FBL_TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::: "memory")
#define FBL_TILE_LOAD(tile, from, bytes) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"(bytes) : "memory")
#define FBL_TILE_STORE(tile, to, bytes) \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(bytes) : "memory")
#define FBL_TILE_MULTIPLY(sums, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sums ::: "memory")

// Where a tile of sums begins and ends: in the output, or beside it.
struct SumsPlace {
  float* data;
  std::int64_t bytes; // from row to row
};

// A tile of sums of which some rows are not in the output.
struct AsideTile {
  alignas(64) float sums[kTileSide * kTileSide];

  SumsPlace place() { return {sums, kTileSide * std::int64_t{sizeof(float)}}; }

  void begin(const float* c, std::int64_t stride, std::int64_t rows) {
    for (std::int64_t r = 0; r < kTileSide; ++r) {
      store(sums + r * kTileSide, r < rows ? load(c + r * stride) : broadcast(0));
    }
  }

  void end(std::int64_t rows, float* c, std::int64_t stride) const {
    for (std::int64_t r = 0; r < rows && r < kTileSide; ++r) store(c + r * stride, load(sums + r * kTileSide));
  }
};

template <bool kTwoDown, bool kTwoAcross>
void multiply_tiles(const TileProduct& of, std::int64_t row, std::int64_t column) {
  constexpr std::int64_t kPairBytes = kPairColumns * std::int64_t{sizeof(float)};
  float* const c = of.c + row * of.c_stride + column;
  float* const c_below = c + kTileSide * of.c_stride;
  AsideTile aside[4];
  const std::int64_t rows = of.rows - row;
  const bool is_aside = rows < (kTwoDown ? 2 : 1) * kTileSide;
  const std::int64_t c_bytes = of.c_stride * std::int64_t{sizeof(float)};
  const SumsPlace places[4] = {is_aside ? aside[0].place() : SumsPlace{c, c_bytes},
                               is_aside ? aside[1].place() : SumsPlace{c + kTileSide, c_bytes},
                               is_aside ? aside[2].place() : SumsPlace{c_below, c_bytes},
                               is_aside ? aside[3].place() : SumsPlace{c_below + kTileSide, c_bytes}};
  if (of.start == ProductStart::kChain) {
    if (is_aside) {
      aside[0].begin(c, of.c_stride, rows);
      if (kTwoAcross) aside[1].begin(c + kTileSide, of.c_stride, rows);
      if (kTwoDown) aside[2].begin(c_below, of.c_stride, rows - kTileSide);
      if (kTwoDown && kTwoAcross) aside[3].begin(c_below + kTileSide, of.c_stride, rows - kTileSide);
    }
    FBL_TILE_LOAD(0, places[0].data, places[0].bytes);
    if (kTwoAcross) FBL_TILE_LOAD(1, places[1].data, places[1].bytes);
    if (kTwoDown) FBL_TILE_LOAD(2, places[2].data, places[2].bytes);
    if (kTwoDown && kTwoAcross) FBL_TILE_LOAD(3, places[3].data, places[3].bytes);
  } else {
    FBL_TILE_ZERO(0);
    if (kTwoAcross) FBL_TILE_ZERO(1);
    if (kTwoDown) FBL_TILE_ZERO(2);
    if (kTwoDown && kTwoAcross) FBL_TILE_ZERO(3);
  }
  const std::int64_t a_bytes = of.a.row_stride * std::int64_t{sizeof(std::uint16_t)};
  const std::uint16_t* const a_row = of.a.data + row * of.a.row_stride;
  const float* b = of.b + column;
  for (std::int64_t d = 0; d < of.depth; d += kTileTerms) {
    FBL_TILE_LOAD(6, b, kPairBytes);
    if (kTwoAcross) FBL_TILE_LOAD(7, b + kTileSide, kPairBytes);
    b += kTileTerms / 2 * kPairColumns;
    const std::uint16_t* a = a_row + d;
    for (std::int64_t part = 0; part < of.a.parts; ++part) {
      FBL_TILE_LOAD(4, a, a_bytes);
      FBL_TILE_MULTIPLY(0, 4, 6);
      if (kTwoAcross) FBL_TILE_MULTIPLY(1, 4, 7);
      if (kTwoDown) {
        FBL_TILE_LOAD(5, a + kTileSide * of.a.row_stride, a_bytes);
        FBL_TILE_MULTIPLY(2, 5, 6);
        if (kTwoAcross) FBL_TILE_MULTIPLY(3, 5, 7);
      }
      a += of.a.part_stride;
    }
  }
  FBL_TILE_STORE(0, places[0].data, places[0].bytes);
  if (kTwoAcross) FBL_TILE_STORE(1, places[1].data, places[1].bytes);
  if (kTwoDown) FBL_TILE_STORE(2, places[2].data, places[2].bytes);
  if (kTwoDown && kTwoAcross) FBL_TILE_STORE(3, places[3].data, places[3].bytes);
  if (!is_aside) return;
  aside[0].end(rows, c, of.c_stride);
  if (kTwoAcross) aside[1].end(rows, c + kTileSide, of.c_stride);
  if (kTwoDown) aside[2].end(rows - kTileSide, c_below, of.c_stride);
  if (kTwoDown && kTwoAcross) aside[3].end(rows - kTileSide, c_below + kTileSide, of.c_stride);
}

template <bool kTwoDown>
void multiply_rows(const TileProduct& product, std::int64_t row) {
  std::int64_t column = 0;
  for (; column + kTileSide < product.columns; column += 2 * kTileSide) {
    multiply_tiles<kTwoDown, true>(product, row, column);
  }
  if (column < product.columns) multiply_tiles<kTwoDown, false>(product, row, column);
}

void multiply(const TileProduct& product) {
  // A thread has tiles for the time of a product: while it has any, every switch of threads saves 8 KB more.
  __asm__ volatile("ldtilecfg %0" ::"m"(kWholeTiles) : "memory");
  std::int64_t row = 0;
  for (; row + kTileSide < product.rows; row += 2 * kTileSide) multiply_rows<true>(product, row);
  if (row < product.rows) multiply_rows<false>(product, row);
  __asm__ volatile("tilerelease" ::: "memory");
}

#undef FBL_TILE_ZERO
#undef FBL_TILE_LOAD
#undef FBL_TILE_STORE
#undef FBL_TILE_MULTIPLY

using Halves = __m256i; // 16 bfloat16 numbers
using Bits = __m512i;   // 16 of 32 bits

FBL_ALWAYS_INLINE Halves load_halves(const std::uint16_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

void pack_pairs(const MatrixRows& rows, std::int64_t first, std::int64_t count, std::int64_t column,
                std::int64_t columns, float* packed) {
  const auto* const data = static_cast<const std::uint16_t*>(rows.data) + column;
  const auto row_at = [&](std::int64_t row) {
    return data + (rows.chosen == nullptr ? row : std::int64_t{rows.chosen[row]}) * rows.columns;
  };
  const std::int64_t end = (count + kTileTerms - 1) / kTileTerms * kTileTerms;
  for (std::int64_t r = 0; r < end; r += 2) {
    float* out = packed + r / 2 * kPairColumns;
    const std::uint16_t* const even = r < count ? row_at(first + r) : nullptr;
    const std::uint16_t* const odd = r + 1 < count ? row_at(first + r + 1) : nullptr;
    for (std::int64_t j = 0; j < columns; j += kLanes) {
      Bits pairs = _mm512_setzero_si512();
      if (even != nullptr) pairs = _mm512_cvtepu16_epi32(load_halves(even + j));
      if (odd != nullptr) {
        pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(_mm512_cvtepu16_epi32(load_halves(odd + j)), 16));
      }
      store(out + j % kPairColumns, _mm512_castsi512_ps(pairs));
      if ((j + kLanes) % kPairColumns == 0) out += end / 2 * kPairColumns;
    }
  }
}

// Takes the nearest bfloat16 number off `rest` and returns it, as the upper halves of its lanes. The largest stands for
// any number beyond it that is finite, which would become infinite, and for infinity, which stays in the rest.
FBL_ALWAYS_INLINE Vec take_part(Vec& rest) {
  constexpr float kLargest = 0x1.fep127F;
  // Of NaN they return their second operand.
  const Vec inside = _mm512_min_ps(broadcast(kLargest), _mm512_max_ps(broadcast(-kLargest), rest));
  const Vec part = widen((__m256i)_mm512_cvtneps_pbh(inside), BFloat16{});
  rest = subtract(rest, part);
  return part;
}

FBL_ALWAYS_INLINE Halves upper_halves(Vec x) {
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(x), 16));
}

FBL_ALWAYS_INLINE void store_halves(std::uint16_t* to, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), upper_halves(x));
}

FBL_ALWAYS_INLINE Vec load_columns(const float* from, std::int64_t left) {
  return left >= kLanes ? load(from) : left > 0 ? load_first(from, static_cast<int>(left), 0) : broadcast(0);
}

void split_rows(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, const TileParts& out) {
  const std::int64_t end = (columns + kTileTerms - 1) / kTileTerms * kTileTerms;
  constexpr std::int64_t kAhead = 4; // rows, as each lies in another page
  for (std::int64_t r = 0; r < rows; ++r) {
    if (r + kAhead < rows) {
      for (std::int64_t j = 0; j < columns; j += kLanes) __builtin_prefetch(from + (r + kAhead) * stride + j, 0, 3);
    }
    std::uint16_t* const to = out.data + r * out.row_stride;
    for (std::int64_t j = 0; j < end; j += kLanes) {
      Vec rest = load_columns(from + r * stride + j, columns - j);
      store_halves(to + j, take_part(rest));
      store_halves(to + out.part_stride + j, take_part(rest));
    }
  }
}

void split_transposed(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                      const TileParts& out) {
  const std::int64_t end = (rows + kTileTerms - 1) / kTileTerms * kTileTerms;
  for (std::int64_t first = 0; first < end; first += kTileTerms) {
    for (std::int64_t j = 0; j < columns; j += kLanes) {
      Vec pairs[kMostParts][kLanes]; // of rows, in lanes of columns
      for (std::int64_t i = 0; i < kLanes; ++i) {
        const std::int64_t row = first + 2 * i;
        const float* const even_row = from + row * stride + j;
        Vec even = load_columns(even_row, row < rows ? columns - j : 0);
        Vec odd = load_columns(even_row + stride, row + 1 < rows ? columns - j : 0);
#pragma GCC unroll 3
        for (int part = 0; part < kMostParts; ++part) {
          const Bits lower = _mm512_srli_epi32(_mm512_castps_si512(take_part(even)), 16);
          pairs[part][i] = _mm512_castsi512_ps(_mm512_or_si512(lower, _mm512_castps_si512(take_part(odd))));
        }
      }
      std::uint16_t* to = out.data + j * out.row_stride + first;
      for (auto& part : pairs) {
        transpose(part);
        for (std::int64_t i = 0; i < kLanes; ++i) {
          _mm512_storeu_si512(to + i * out.row_stride, _mm512_castps_si512(part[i]));
        }
        to += out.part_stride;
      }
    }
  }
}

void add_to(const float* from, std::int64_t count, float* to) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, add(load(to + i), load(from + i)));
  if (i == count) return;
  const auto left = static_cast<int>(count - i);
  store_first(to + i, add(load_first(to + i, left, 0), load_first(from + i, left, 0)), left);
}

constexpr TileKernel kKernel = {multiply, pack_pairs, split_rows, split_transposed, add_to};

} // namespace
} // namespace amx
} // namespace fused_bear_loss

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace fused_bear_loss {
namespace {

bool has_tiles() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kBFloat16Tiles = 1U << 22;
  constexpr unsigned kTiles = 1U << 24;
  if ((d & kBFloat16Tiles) == 0 || (d & kTiles) == 0) return false;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kBFloat16Vectors = 1U << 5;
  return (a & kBFloat16Vectors) != 0;
}

// Linux gives a process the memory for tiles if it asks for it, and to every thread of it; older kernels do not.
bool are_tiles_permitted() {
  constexpr long kRequestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

} // namespace

const TileKernel* amx_tile_kernel() {
  static const TileKernel* const kernel = has_tiles() && are_tiles_permitted() ? &amx::kKernel : nullptr;
  return kernel;
}

} // namespace fused_bear_loss

#else

namespace fused_bear_loss {

const TileKernel* amx_tile_kernel() { return nullptr; }

} // namespace fused_bear_loss

#endif
