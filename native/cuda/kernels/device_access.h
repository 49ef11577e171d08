// What the kernels ask of the machine: memory, logits as bits and as numbers, approximate functions. Every
// instruction that C++ has no word for is here, with its twin for the emulated build.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "native/core/dtype.h"

#define FBL_DEVICE __device__ __forceinline__
// What is rare or long, and the same for all kernels: one copy of it, which is called.
#if defined(FBL_SIMT_EMULATION)
#define FBL_DEVICE_CALLED inline __attribute__((noinline))
#else
#define FBL_DEVICE_CALLED inline __device__ __noinline__
#endif

namespace fused_bear_loss::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kWarpSize = 32;

FBL_DEVICE int lane_index() { return static_cast<int>(threadIdx.x) % kWarpSize; }
FBL_DEVICE int warp_index() { return static_cast<int>(threadIdx.x) / kWarpSize; }
FBL_DEVICE int thread_count() { return static_cast<int>(blockDim.x); }
FBL_DEVICE int warp_count() { return thread_count() / kWarpSize; }

// The only wide accesses to global memory. Past the first-level cache: nothing is read twice while it could be there.
FBL_DEVICE uint4 load16(const void* address) { return __ldcg(static_cast<const uint4*>(address)); }
// The same of what is not read again: it makes way for what is.
FBL_DEVICE uint4 load16_last(const void* address) { return __ldcs(static_cast<const uint4*>(address)); }
// A gradient is not read again by this kernel.
FBL_DEVICE void store16(void* address, uint4 value) { __stcs(static_cast<uint4*>(address), value); }

// Kernels of a call may begin while the one before ends: each waits before it reads what that one wrote, in all
// threads. The kernel after this one may begin from allow_next_kernel() on, else at the end.
FBL_DEVICE void wait_for_last_kernel() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" : : : "memory");
#endif
}
FBL_DEVICE void allow_next_kernel() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

FBL_DEVICE bool is_aligned16(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }

FBL_DEVICE float infinity() { return __uint_as_float(0x7f800000u); }
FBL_DEVICE float not_a_number() { return __uint_as_float(0x7fc00000u); }

// 2^x, within 2 units in the last place; subnormal results become 0.
FBL_DEVICE float exp2_approximate(float x) {
#if defined(FBL_SIMT_EMULATION)
  return __exp2f(x);
#else
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#endif
}

// Hides from the compiler that a value is known: what follows from it is computed anew instead of kept in registers.
FBL_DEVICE std::int64_t forgotten(std::int64_t value) {
#if !defined(FBL_SIMT_EMULATION)
  asm volatile("" : "+l"(value));
#endif
  return value;
}

// An unsigned integer that orders as the float does; -0 and +0 give the same one. Not for NaN.
FBL_DEVICE std::uint32_t ordered_key(float x) {
  const std::uint32_t bits = __float_as_uint(x + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
FBL_DEVICE float from_ordered_key(std::uint32_t key) {
  return __uint_as_float((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

// A pair of 16-bit numbers as a word, and back.
template <class Pair>
FBL_DEVICE Pair from_bits(std::uint32_t word) {
  static_assert(sizeof(Pair) == sizeof(word), "two neighbours fill a word");
  Pair pair;
  memcpy(&pair, &word, sizeof pair);
  return pair;
}
template <class Pair>
FBL_DEVICE std::uint32_t as_bits(Pair pair) {
  static_assert(sizeof(Pair) == sizeof(std::uint32_t), "two neighbours fill a word");
  std::uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}

// A 16-byte vector of logits: kLength of them, as bits.
template <class Element>
struct Packing;

template <>
struct Packing<float> {
  using Bits = std::uint32_t;
  static constexpr int kLength = 4;
  static constexpr Bits kMasked = 0xff800000u; // -infinity
  static FBL_DEVICE void unpack(const uint4& vector, float (&out)[kLength]) {
    out[0] = __uint_as_float(vector.x);
    out[1] = __uint_as_float(vector.y);
    out[2] = __uint_as_float(vector.z);
    out[3] = __uint_as_float(vector.w);
  }
  static FBL_DEVICE uint4 pack(const float (&x)[kLength]) {
    return make_uint4(__float_as_uint(x[0]), __float_as_uint(x[1]), __float_as_uint(x[2]), __float_as_uint(x[3]));
  }
  static FBL_DEVICE uint4 pack_bits(const Bits (&bits)[kLength]) {
    return make_uint4(bits[0], bits[1], bits[2], bits[3]);
  }
  static FBL_DEVICE float to_number(Bits bits) { return __uint_as_float(bits); }
  static FBL_DEVICE Bits to_bits(float x) { return __float_as_uint(x); }
  // Of two words, place by place; then of the places of one.
  static FBL_DEVICE std::uint32_t larger(std::uint32_t a, std::uint32_t b) {
    return __float_as_uint(fmaxf(__uint_as_float(a), __uint_as_float(b)));
  }
  static FBL_DEVICE float largest_in(std::uint32_t word) { return __uint_as_float(word); }
};

// Both 16-bit types, by their own `widen_pair` and `narrow_pair`: from and to two neighbours in one word.
template <class Format>
struct HalfPacking {
  using Bits = std::uint16_t;
  static constexpr int kLength = 8;
  static FBL_DEVICE void unpack(const uint4& vector, float (&out)[kLength]) {
    const std::uint32_t words[4] = {vector.x, vector.y, vector.z, vector.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) Format::widen_pair(words[i], out[2 * i], out[2 * i + 1]);
  }
  static FBL_DEVICE uint4 pack(const float (&x)[kLength]) {
    return make_uint4(Format::narrow_pair(x[0], x[1]), Format::narrow_pair(x[2], x[3]), Format::narrow_pair(x[4], x[5]),
                      Format::narrow_pair(x[6], x[7]));
  }
  static FBL_DEVICE uint4 pack_bits(const Bits (&bits)[kLength]) {
    std::uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = bits[2 * i] | static_cast<std::uint32_t>(bits[2 * i + 1]) << 16;
    return make_uint4(words[0], words[1], words[2], words[3]);
  }
  static FBL_DEVICE float to_number(Bits bits) {
    float low;
    float high;
    Format::widen_pair(bits, low, high);
    return low;
  }
  static FBL_DEVICE Bits to_bits(float x) { return static_cast<Bits>(Format::narrow_pair(x, 0) & 0xffffu); }
  static FBL_DEVICE std::uint32_t larger(std::uint32_t a, std::uint32_t b) { return Format::larger_pair(a, b); }
  static FBL_DEVICE float largest_in(std::uint32_t word) {
    float low;
    float high;
    Format::widen_pair(word, low, high);
    return fmaxf(low, high);
  }
};

struct Float16Format {
  static FBL_DEVICE void widen_pair(std::uint32_t word, float& low, float& high) {
    low = __half2float(__ushort_as_half(static_cast<unsigned short>(word & 0xffffu)));
    high = __half2float(__ushort_as_half(static_cast<unsigned short>(word >> 16)));
  }
  static FBL_DEVICE std::uint32_t narrow_pair(float low, float high) {
    const __half2 pair = __floats2half2_rn(low, high);
    return __half_as_ushort(pair.x) | static_cast<std::uint32_t>(__half_as_ushort(pair.y)) << 16;
  }
  static FBL_DEVICE std::uint32_t larger_pair(std::uint32_t a, std::uint32_t b) {
    return as_bits(__hmax2(from_bits<__half2>(a), from_bits<__half2>(b)));
  }
};

struct BFloat16Format {
  static FBL_DEVICE void widen_pair(std::uint32_t word, float& low, float& high) {
    low = __uint_as_float(word << 16);
    high = __uint_as_float(word & 0xffff0000u);
  }
  static FBL_DEVICE std::uint32_t narrow_pair(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return __bfloat16_as_ushort(pair.x) | static_cast<std::uint32_t>(__bfloat16_as_ushort(pair.y)) << 16;
  }
  static FBL_DEVICE std::uint32_t larger_pair(std::uint32_t a, std::uint32_t b) {
    return as_bits(__hmax2(from_bits<__nv_bfloat162>(a), from_bits<__nv_bfloat162>(b)));
  }
};

template <>
struct Packing<Float16> : HalfPacking<Float16Format> {
  static constexpr Bits kMasked = 0xfc00u;
};
template <>
struct Packing<BFloat16> : HalfPacking<BFloat16Format> {
  static constexpr Bits kMasked = 0xff80u;
};

// The largest of some vectors, element by element of a word first. NaN is left out, as fmaxf() does.
template <class Element, int kCount>
FBL_DEVICE float largest_of(const uint4 (&vectors)[kCount]) {
  using P = Packing<Element>;
  std::uint32_t words[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    words[i] = P::larger(P::larger(vectors[i].x, vectors[i].y), P::larger(vectors[i].z, vectors[i].w));
  }
#pragma unroll
  for (int i = 1; i < kCount; ++i) words[0] = P::larger(words[0], words[i]);
  return P::largest_in(words[0]);
}

// A vector of masked tokens.
template <class Element>
FBL_DEVICE uint4 masked_vector() {
  typename Packing<Element>::Bits bits[Packing<Element>::kLength];
#pragma unroll
  for (int e = 0; e < Packing<Element>::kLength; ++e) bits[e] = Packing<Element>::kMasked;
  return Packing<Element>::pack_bits(bits);
}

} // namespace fused_bear_loss::cuda
