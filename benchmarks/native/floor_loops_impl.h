// The floors' loops for one instruction set, on the vectors that the row kernels use. Each floor_loops_<set>.cc
// includes this inside its target pragma, after FBL_INSTRUCTION_SET and the set's simd_*.h.

#include "benchmarks/native/floor_loops.h"

namespace fused_bear_loss {
namespace FBL_INSTRUCTION_SET {

// Enough independent additions in flight to hide the latency of one.
constexpr std::size_t kUnroll = 8;
constexpr std::size_t kBlock = kUnroll * kLanes;

// In bytes ahead, 0: none. Measured on Zen 4 with one thread: 8 KiB reads 2 to 8% faster than none; for the write
// 2 KiB gains 6 to 15%; in place every distance lost, most of all short ones.
struct PlainDistances {
  static constexpr std::size_t read = 0;
  static constexpr std::size_t write = 0;
  static constexpr std::size_t in_place = 0;
};
struct PrefetchDistances {
  static constexpr std::size_t read = 8192;
  static constexpr std::size_t write = 2048;
  static constexpr std::size_t in_place = 8192;
};

constexpr std::size_t kLineFloats = 16;

template <std::size_t kDistance>
FBL_ALWAYS_INLINE void prefetch_block(const float* p) {
  if constexpr (kDistance != 0) {
    for (std::size_t i = 0; i < kBlock; i += kLineFloats) __builtin_prefetch(p + i + kDistance / sizeof(float));
  }
}

// Floats before the next cache line. Node's buffers start 16 bytes after a page, so that without this every full vector
// would cross a line, and non-temporal stores, which must be aligned, would fault.
FBL_ALWAYS_INLINE std::size_t head(const float* p, std::size_t count) {
  const std::size_t past_line = reinterpret_cast<std::size_t>(p) / sizeof(float) % kLineFloats;
  const std::size_t floats = past_line == 0 ? 0 : kLineFloats - past_line;
  return floats < count ? floats : count;
}

template <class Distances>
double read_all(const float* input, std::size_t count) {
  Vec sums[kUnroll];
  for (Vec& sum : sums) sum = broadcast(0);
  double rest = 0;
  std::size_t i = 0;
  for (const std::size_t first = head(input, count); i < first; ++i) rest += input[i];
  for (; i + kBlock <= count; i += kBlock) {
    prefetch_block<Distances::read>(input + i);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kUnroll; ++k) sums[k] = add(sums[k], load(input + i + k * kLanes));
  }
  for (; i < count; ++i) rest += input[i];
  for (const Vec& sum : sums) {
    float lanes[kLanes];
    store(lanes, sum);
    for (const float lane : lanes) rest += lane;
  }
  return rest;
}

template <class Distances>
void write_all(const float* input, float* output, std::size_t count, float factor) {
  const Vec factors = broadcast(factor);
  std::size_t i = 0;
  for (const std::size_t first = head(output, count); i < first; ++i) output[i] = input[i] * factor;
  for (; i + kBlock <= count; i += kBlock) {
    prefetch_block<Distances::write>(input + i);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kUnroll; ++k) {
      stream(output + i + k * kLanes, multiply(load(input + i + k * kLanes), factors));
    }
  }
  for (; i < count; ++i) output[i] = input[i] * factor;
  stream_fence();
}

template <class Distances>
void scale_all(float* values, std::size_t count, float factor) {
  const Vec factors = broadcast(factor);
  std::size_t i = 0;
  for (const std::size_t first = head(values, count); i < first; ++i) values[i] *= factor;
  for (; i + kBlock <= count; i += kBlock) {
    prefetch_block<Distances::in_place>(values + i);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kUnroll; ++k) {
      store(values + i + k * kLanes, multiply(load(values + i + k * kLanes), factors));
    }
  }
  for (; i < count; ++i) values[i] *= factor;
}

extern const FloorLoops floor_plain = {read_all<PlainDistances>, write_all<PlainDistances>, scale_all<PlainDistances>};
extern const FloorLoops floor_prefetch = {read_all<PrefetchDistances>, write_all<PrefetchDistances>,
                                          scale_all<PrefetchDistances>};

} // namespace FBL_INSTRUCTION_SET
} // namespace fused_bear_loss
