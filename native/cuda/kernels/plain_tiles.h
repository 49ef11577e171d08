// How the tiles of a plain row (no list, no bitmask) come into registers and how gradients leave them. Both ways to do
// it give a thread the same vectors of a tile, see tile_vector().
//
//   fetch(base)       asks for a tile; nothing waits for it
//   take(base, raw)   the tile that was asked for last; what is past the row's end is masked
//   recall(base, raw) a tile that was taken and kept, instead of both
//   put(base, raw)    the gradient of a tile, every place of it
#pragma once

#include "native/cuda/kernels/row_view.h"

namespace fused_bear_loss::cuda {

// The first of the thread's vectors in a tile, from the tile's first.
FBL_DEVICE int own_place() { return tile_vector(0, 0); }

// A plain row in memory, and where its gradient goes.
template <class Element>
struct PlainRow {
  using Bits = typename Packing<Element>::Bits;

  const Bits* logits;
  Bits* gradient;
  std::int32_t count;
  std::int32_t target;
  uint4* kept; // the row in shared memory; or a tile, see NarrowTiles

  FBL_DEVICE int vectors() const { return (count + Packing<Element>::kLength - 1) / Packing<Element>::kLength; }
};

// Rows, and gradients, whose vectors are aligned.
template <class Element>
class WideTiles {
 public:
  static constexpr int kLength = Packing<Element>::kLength;

  // So many vectors are kept.
  FBL_DEVICE WideTiles(const PlainRow<Element>& row, int kept)
      : row_(row), whole_end_(row.count / kLength), kept_end_(kept) {}

  // `last`: nothing of the tile is read from global memory again.
  FBL_DEVICE void fetch(int base, bool last) {
    const uint4* const address = reinterpret_cast<const uint4*>(row_.logits) + (base + own_place());
    const int left = whole_end_ - (base + own_place());
    if (last) {
#pragma unroll
      for (int u = 0; u < kTileVectors; ++u) {
        if (u * kWarpSize < left) next_[u] = load16_last(address + u * kWarpSize);
      }
    } else {
#pragma unroll
      for (int u = 0; u < kTileVectors; ++u) {
        if (u * kWarpSize < left) next_[u] = load16(address + u * kWarpSize);
      }
    }
  }

  FBL_DEVICE void take(int base, uint4 (&raw)[kTileVectors]) {
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) raw[u] = next_[u];
    if (base + tile_step() > whole_end_) complete(base, raw);
    // Predicates, not a branch.
    uint4* const kept = row_.kept + (base + own_place());
    const int left = kept_end_ - (base + own_place());
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      if (u * kWarpSize < left) kept[u * kWarpSize] = raw[u];
    }
  }

  FBL_DEVICE void recall(int base, uint4 (&raw)[kTileVectors]) const {
    const uint4* const kept = row_.kept + (base + own_place());
    const int left = row_.vectors() - (base + own_place());
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      if (u * kWarpSize < left) raw[u] = kept[u * kWarpSize];
    }
  }

  FBL_DEVICE void put(int base, uint4 (&raw)[kTileVectors]) const {
    uint4* const address = reinterpret_cast<uint4*>(row_.gradient) + (base + own_place());
    const int left = whole_end_ - (base + own_place());
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      if (u * kWarpSize < left) store16(address + u * kWarpSize, raw[u]);
    }
    if (base + tile_step() > whole_end_) put_tail(base, raw);
  }

 private:
  // The last tile: the row's last vector may be a part of one, and no vectors follow it.
  FBL_DEVICE void complete(int base, uint4 (&raw)[kTileVectors]) const {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      const int vector = tile_vector(base, u);
      uint4 own = raw[0];
      if (vector >= whole_end_) own = vector < row_.vectors() ? load_tail() : masked_vector<Element>();
      rotate(raw, own);
    }
  }

  FBL_DEVICE uint4 load_tail() const {
    const int first = row_.count / kLength * kLength;
    typename Packing<Element>::Bits bits[kLength];
#pragma unroll
    for (int e = 0; e < kLength; ++e) {
      bits[e] = first + e < row_.count ? row_.logits[first + e] : Packing<Element>::kMasked;
    }
    return Packing<Element>::pack_bits(bits);
  }

  FBL_DEVICE void put_tail(int base, uint4 (&raw)[kTileVectors]) const {
#pragma unroll 1
    for (int u = 0; u < kTileVectors; ++u) {
      if (tile_vector(base, u) == whole_end_ && whole_end_ < row_.vectors()) {
        ElementWindow<Element> window(raw[0]);
#pragma unroll 1
        for (int position = whole_end_ * kLength; position < row_.count; ++position) {
          row_.gradient[position] = window.first();
          window.push(0);
        }
      }
      rotate(raw, raw[0]);
    }
  }

  const PlainRow<Element>& row_;
  const int whole_end_; // full vectors
  const int kept_end_;
  uint4 next_[kTileVectors];
};

// Rows of any alignment. A warp reads and writes its run of neighbouring vectors an element at a time, neighbours side
// by side, and turns it into vectors in shared memory: where the row is kept, else in the warp's part of a tile.
template <class Element>
class NarrowTiles {
 public:
  using Bits = typename Packing<Element>::Bits;
  static constexpr int kLength = Packing<Element>::kLength;

  // The row is kept, or nothing of it.
  FBL_DEVICE NarrowTiles(const PlainRow<Element>& row, int kept) : row_(row), end_(row.vectors()), kept_(kept > 0) {}

  FBL_DEVICE void fetch(int base, bool /*last*/) {
    if (!is_whole(base)) return;
    const Bits* const address = row_.logits + first_position(base);
#pragma unroll
    for (int i = 0; i < kPiecesAhead; ++i) pieces_[i] = address[i * kWarpSize];
  }

  FBL_DEVICE void take(int base, uint4 (&raw)[kTileVectors]) {
    Bits* const place = first_piece(base);
    const Bits* const address = row_.logits + first_position(base);
    if (!kept_) __syncwarp(); // the last tile has been taken
    if (is_whole(base)) {
#pragma unroll
      for (int i = 0; i < kPiecesAhead; ++i) place[i * kWarpSize] = pieces_[i];
      if (kPieces > kPiecesAhead) {
#pragma unroll
        for (int i = 0; i < kPiecesAhead; ++i) pieces_[i] = address[(kPieces - kPiecesAhead + i) * kWarpSize];
#pragma unroll
        for (int i = 0; i < kPiecesAhead; ++i) place[(kPieces - kPiecesAhead + i) * kWarpSize] = pieces_[i];
      }
    } else {
      const int left = (end_ - run(base)) * kLength - lane_index();
      const int logits_left = row_.count - first_position(base);
#pragma unroll 1
      for (int i = 0; i < kPieces; i += kPiecesTogether) {
#pragma unroll
        for (int j = 0; j < kPiecesTogether; ++j) {
          pieces_[j] = Packing<Element>::kMasked;
          if ((i + j) * kWarpSize < min(left, logits_left)) pieces_[j] = address[(i + j) * kWarpSize];
        }
#pragma unroll
        for (int j = 0; j < kPiecesTogether; ++j) {
          if ((i + j) * kWarpSize < left) place[(i + j) * kWarpSize] = pieces_[j];
        }
      }
    }
    __syncwarp();
    recall(base, raw);
    if (is_whole(base)) return;
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      if (tile_vector(base, u) >= end_) raw[u] = masked_vector<Element>();
    }
  }

  FBL_DEVICE void recall(int base, uint4 (&raw)[kTileVectors]) const {
    const uint4* const place = stage(base) + lane_index();
    const int left = end_ - run(base) - lane_index();
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      if (u * kWarpSize < left) raw[u] = place[u * kWarpSize];
    }
  }

  FBL_DEVICE void put(int base, const uint4 (&raw)[kTileVectors]) const {
    uint4* const place = stage(base) + lane_index();
    const int left = end_ - run(base) - lane_index();
    __syncwarp(); // the tile has been taken
#pragma unroll
    for (int u = 0; u < kTileVectors; ++u) {
      if (u * kWarpSize < left) place[u * kWarpSize] = raw[u];
    }
    __syncwarp();
    const Bits* const piece = first_piece(base);
    Bits* const address = row_.gradient + first_position(base);
    if (is_whole(base)) {
#pragma unroll
      for (int i = 0; i < kPieces; ++i) __stcs(address + i * kWarpSize, piece[i * kWarpSize]);
    } else {
      const int left_in_row = min(end_ * kLength, row_.count) - first_position(base);
#pragma unroll 4
      for (int i = 0; i * kWarpSize < left_in_row && i < kPieces; ++i) {
        __stcs(address + i * kWarpSize, piece[i * kWarpSize]);
      }
    }
  }

 private:
  static constexpr int kPieces = kTileVectors * kLength;
  // Each takes a register, whatever its size.
  static constexpr int kPiecesAhead = 16;
  static constexpr int kPiecesTogether = 8;

  FBL_DEVICE bool is_whole(int base) const { return base + tile_step() <= row_.count / kLength; }

  // The first vector of the warp's run in a tile.
  static FBL_DEVICE int run(int base) { return base + warp_index() * kTileVectors * kWarpSize; }
  static FBL_DEVICE int first_position(int base) { return run(base) * kLength + lane_index(); }
  FBL_DEVICE uint4* stage(int base) const {
    return row_.kept + (kept_ ? run(base) : warp_index() * kTileVectors * kWarpSize);
  }
  FBL_DEVICE Bits* first_piece(int base) const { return reinterpret_cast<Bits*>(stage(base)) + lane_index(); }

  const PlainRow<Element>& row_;
  const int end_;
  const bool kept_;
  Bits pieces_[kPiecesAhead];
};

} // namespace fused_bear_loss::cuda
