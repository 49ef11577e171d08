// The loops behind the memory floors: the least that any implementation must do with the bytes of a call.
#pragma once

#include <cstddef>

namespace fused_bear_loss {

struct FloorLoops {
  // The sum of all values.
  double (*read)(const float* input, std::size_t count);
  // Scales into a second buffer, past the caches where the processor has such stores.
  void (*write)(const float* input, float* output, std::size_t count, float factor);
  // Scales where the values stand.
  void (*in_place)(float* values, std::size_t count, float factor);
};

// Every operation has a plain loop and one that prefetches. Which is faster depends on the processor, the threads and
// the neighbours on the memory bus, so the benchmark runs both and calls the faster one the floor.
enum class FloorVariant { kPlain, kPrefetch };

// With the widest vectors that this processor has, whatever the loss kernels were told to use.
const FloorLoops& floor_loops(FloorVariant variant);

} // namespace fused_bear_loss
