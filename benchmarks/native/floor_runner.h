// Times one pass of a memory floor over a buffer, on the same threads that the loss uses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "benchmarks/native/floor_loops.h"

namespace fused_bear_loss {

enum class FloorOperation { kRead, kWrite, kInPlace };

struct FloorRun {
  FloorOperation operation = FloorOperation::kRead;
  FloorVariant variant = FloorVariant::kPlain;
  float* values = nullptr; // [count]; read, and in place written
  float* output = nullptr; // [count]; kWrite only
  std::size_t count = 0;
  float factor = 1;
  std::int32_t threads = 1;
};

// Milliseconds of wall-clock time, waking of the threads included.
double run_floor(const FloorRun& run);

} // namespace fused_bear_loss
