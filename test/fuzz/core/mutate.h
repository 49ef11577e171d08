// Half of the cases are drawn anew, as half of a case's fields are best drawn together; libFuzzer's mutations of what
// reached new code are the other half.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "test/fuzz/core/byte_reader.h"

// Few frames of where memory came from, and a short quarantine: a case takes and gives back some fifty small arrays.
extern "C" inline const char* __asan_default_options() { return "malloc_context_size=4:quarantine_size_mb=16"; }

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t capacity);

namespace fused_bear_loss::fuzz {

// The two bytes that choose the sizes: see read_sizes() in rows_case.cc.
constexpr std::size_t kSizeKindAt = 4;

// Single logits of a case are three bytes each.
constexpr std::size_t kSingleBytes = 3;
constexpr std::size_t kMostSingles = 20;

// `field_bytes` are those of a case but for its single logits.
inline std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t capacity, unsigned seed,
                          std::size_t field_bytes) {
  Draw draw(seed);
  if (draw.chance(0.5) && capacity >= field_bytes + kSingleBytes * kMostSingles) {
    const std::size_t count =
        field_bytes + (draw.chance(0.2) ? kSingleBytes * static_cast<std::size_t>(draw.below(kMostSingles)) : 0);
    for (std::size_t i = 0; i < count; ++i) data[i] = static_cast<std::uint8_t>(draw.bits());
    return count;
  }
  size = LLVMFuzzerMutate(data, size, capacity);
  // A large case takes as long as thousands of small ones, so that a mutation seldom keeps its size.
  if (size > kSizeKindAt + 2 && data[kSizeKindAt + 1] < 8 && draw.chance(0.95)) {
    data[kSizeKindAt + 1] = static_cast<std::uint8_t>(32 + draw.below(224));
  }
  return size;
}

} // namespace fused_bear_loss::fuzz
