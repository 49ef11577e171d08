// The functions that device code may call, as CUDA names them. What is missing here does not compile in the emulated
// build; __activemask is missing on purpose.
#pragma once

#include <math.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "test/emulator/simt/collectives.h"
#include "test/emulator/simt/language.h"
#include "test/emulator/simt/shadow_memory.h"
#include "test/emulator/simt/vector_types.h"

namespace simt {

// Constant for a thread, which lets the compiler keep them in registers.
uint3 thread_index() __attribute__((const));
uint3 block_index() __attribute__((const));
dim3 block_dimensions() __attribute__((const));
dim3 grid_dimensions() __attribute__((const));

// blockDim and gridDim cannot be macros, as the fields of a launch's configuration are called so too.
template <dim3 (*dimensions)()>
struct Dimensions {
  template <unsigned dim3::*member>
  struct Member {
    operator unsigned() const { return dimensions().*member; } // NOLINT: it stands for the number
  };
  Member<&dim3::x> x;
  Member<&dim3::y> y;
  Member<&dim3::z> z;
};

unsigned cluster_block_rank() __attribute__((const));
unsigned cluster_block_count() __attribute__((const));

// The running block's dynamic shared array.
void* dynamic_shared() __attribute__((const));

template <class T>
inline std::uint64_t to_operand(T value) {
  static_assert(std::is_arithmetic<T>::value && sizeof(T) <= 8, "the hardware moves numbers of up to 8 bytes");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
inline T from_operand(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
inline T shuffle(Site site, CollectiveKind kind, unsigned mask, T value, int argument, int width = 32) {
  return from_operand<T>(run_collective(kind, mask, to_operand(value), argument, width, site));
}
struct WarpBarrier {
  Site site;
  void operator()(unsigned mask = ~0u) const { run_collective(CollectiveKind::kSyncWarp, mask, 0, 0, 32, site); }
};
inline unsigned vote(Site site, CollectiveKind kind, unsigned mask, int predicate) {
  return static_cast<unsigned>(run_collective(kind, mask, predicate != 0 ? 1 : 0, 0, 32, site));
}
template <class T>
inline unsigned match_any(Site site, unsigned mask, T value) {
  return static_cast<unsigned>(run_collective(CollectiveKind::kMatchAny, mask, to_operand(value), 0, 32, site));
}
template <class T>
inline T reduce_warp(Site site, CollectiveKind of_unsigned, CollectiveKind of_signed, unsigned mask, T value) {
  static_assert(sizeof(T) == 4 && std::is_integral<T>::value, "warp reductions take 32-bit integers");
  const CollectiveKind kind = std::is_signed<T>::value ? of_signed : of_unsigned;
  return from_operand<T>(run_collective(kind, mask, to_operand(value), 0, 32, site));
}

// One access of the width that the source asks for, however the host's compiler splits it.
template <class T>
SIMT_UNINSTRUMENTED __attribute__((noinline)) T load(const T* address) {
  record_access(address, sizeof(T), sizeof(T), Access::kRead, __builtin_return_address(0));
  T value;
  __builtin_memcpy(&value, address, sizeof value);
  return value;
}
template <class T>
SIMT_UNINSTRUMENTED __attribute__((noinline)) void store(T* address, const T& value) {
  record_access(address, sizeof(T), sizeof(T), Access::kWrite, __builtin_return_address(0));
  __builtin_memcpy(address, &value, sizeof value);
}
template <class T, class Update>
SIMT_UNINSTRUMENTED __attribute__((noinline)) T atomic_update(T* address, Update update) {
  record_access(address, sizeof(T), sizeof(T), Access::kAtomic, __builtin_return_address(0));
  T old;
  __builtin_memcpy(&old, address, sizeof old);
  const T value = update(old);
  __builtin_memcpy(address, &value, sizeof value);
  return old;
}

// The hardware's approximate functions: right to Settings::approximation_ulps.
float approximate(float exact);

} // namespace simt

#define threadIdx (::simt::thread_index())
#define blockIdx (::simt::block_index())
constexpr simt::Dimensions<simt::block_dimensions> blockDim;
constexpr simt::Dimensions<simt::grid_dimensions> gridDim;
constexpr int warpSize = 32;

// Macros, for each occurrence in the source to be a place of its own.
#define SIMT_SITE (::simt::Site{__FILE__, __LINE__, __COUNTER__})
#define SIMT_KIND(name) ::simt::CollectiveKind::name

#define __syncthreads() ((void)::simt::run_barrier(::simt::BarrierKind::kBlock, true, SIMT_SITE))
#define __syncthreads_count(p) ::simt::run_barrier(::simt::BarrierKind::kBlockCount, (p) != 0, SIMT_SITE)
#define __syncthreads_and(p) ::simt::run_barrier(::simt::BarrierKind::kBlockAnd, (p) != 0, SIMT_SITE)
#define __syncthreads_or(p) ::simt::run_barrier(::simt::BarrierKind::kBlockOr, (p) != 0, SIMT_SITE)
#define __syncwarp \
  ::simt::WarpBarrier { SIMT_SITE }
#define __shfl_sync(mask, ...) ::simt::shuffle(SIMT_SITE, SIMT_KIND(kShuffleIndex), mask, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...) ::simt::shuffle(SIMT_SITE, SIMT_KIND(kShuffleXor), mask, __VA_ARGS__)
#define __shfl_up_sync(mask, ...) ::simt::shuffle(SIMT_SITE, SIMT_KIND(kShuffleUp), mask, __VA_ARGS__)
#define __shfl_down_sync(mask, ...) ::simt::shuffle(SIMT_SITE, SIMT_KIND(kShuffleDown), mask, __VA_ARGS__)
#define __ballot_sync(mask, p) ::simt::vote(SIMT_SITE, SIMT_KIND(kBallot), mask, (p) != 0)
#define __any_sync(mask, p) static_cast<int>(::simt::vote(SIMT_SITE, SIMT_KIND(kAny), mask, (p) != 0))
#define __all_sync(mask, p) static_cast<int>(::simt::vote(SIMT_SITE, SIMT_KIND(kAll), mask, (p) != 0))
#define __match_any_sync(mask, value) ::simt::match_any(SIMT_SITE, mask, value)
#define SIMT_REDUCE(u, s, mask, value) ::simt::reduce_warp(SIMT_SITE, SIMT_KIND(u), SIMT_KIND(s), mask, value)
#define __reduce_add_sync(mask, value) SIMT_REDUCE(kReduceAdd, kReduceAdd, mask, value)
#define __reduce_and_sync(mask, value) SIMT_REDUCE(kReduceAnd, kReduceAnd, mask, value)
#define __reduce_or_sync(mask, value) SIMT_REDUCE(kReduceOr, kReduceOr, mask, value)
#define __reduce_xor_sync(mask, value) SIMT_REDUCE(kReduceXor, kReduceXor, mask, value)
#define __reduce_max_sync(mask, value) SIMT_REDUCE(kReduceMaxUnsigned, kReduceMaxSigned, mask, value)
#define __reduce_min_sync(mask, value) SIMT_REDUCE(kReduceMinUnsigned, kReduceMinSigned, mask, value)

// Memory is sequentially consistent here: a missing fence cannot be seen.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// Loads and stores with a cache hint.
#define SIMT_LOAD(name)             \
  template <class T>                \
  inline T name(const T* address) { \
    return ::simt::load(address);   \
  }
SIMT_LOAD(__ldg)
SIMT_LOAD(__ldca)
SIMT_LOAD(__ldcg)
SIMT_LOAD(__ldcs)
SIMT_LOAD(__ldlu)
SIMT_LOAD(__ldcv)
#undef SIMT_LOAD
#define SIMT_STORE(name)                         \
  template <class T>                             \
  inline void name(T* address, const T& value) { \
    ::simt::store(address, value);               \
  }
SIMT_STORE(__stwb)
SIMT_STORE(__stcg)
SIMT_STORE(__stcs)
SIMT_STORE(__stwt)
#undef SIMT_STORE

// Integers only: the project uses no float atomics.
#define SIMT_ATOMIC(name, expression)                                                    \
  template <class T>                                                                     \
  inline T name(T* address, typename std::common_type<T>::type operand) {                \
    static_assert(std::is_integral<T>::value, "no float atomics");                       \
    return ::simt::atomic_update(address, [operand](T old) -> T { return expression; }); \
  }                                                                                      \
  template <class T>                                                                     \
  inline T name##_block(T* address, typename std::common_type<T>::type operand) {        \
    return name(address, operand);                                                       \
  }
SIMT_ATOMIC(atomicAdd, static_cast<T>(old + operand))
SIMT_ATOMIC(atomicSub, static_cast<T>(old - operand))
SIMT_ATOMIC(atomicMax, old < operand ? operand : old)
SIMT_ATOMIC(atomicMin, operand < old ? operand : old)
SIMT_ATOMIC(atomicAnd, static_cast<T>(old& operand))
SIMT_ATOMIC(atomicOr, static_cast<T>(old | operand))
SIMT_ATOMIC(atomicXor, static_cast<T>(old ^ operand))
SIMT_ATOMIC(atomicExch, (static_cast<void>(old), operand))
#undef SIMT_ATOMIC
template <class T>
inline T atomicCAS(T* address, typename std::common_type<T>::type compare, typename std::common_type<T>::type value) {
  static_assert(std::is_integral<T>::value, "no float atomics");
  return ::simt::atomic_update(address, [compare, value](T old) -> T { return old == compare ? value : old; });
}

// Bits.
inline unsigned __float_as_uint(float value) { return simt::from_operand<unsigned>(simt::to_operand(value)); }
inline int __float_as_int(float value) { return simt::from_operand<int>(simt::to_operand(value)); }
inline float __uint_as_float(unsigned bits) { return simt::from_operand<float>(bits); }
inline float __int_as_float(int bits) { return simt::from_operand<float>(simt::to_operand(bits)); }
inline long long __double_as_longlong(double value) { return simt::from_operand<long long>(simt::to_operand(value)); }
inline double __longlong_as_double(long long bits) { return simt::from_operand<double>(simt::to_operand(bits)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned result = 0;
  for (int i = 0; i < 32; ++i) result |= (x >> i & 1u) << (31 - i);
  return result;
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(y) << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    result |= static_cast<unsigned>(bytes >> (selector >> (4 * i) & 7u) * 8 & 0xffu) << (8 * i);
  }
  return result;
}

// Arithmetic.
#define SIMT_MIN_MAX(type)                                  \
  inline type min(type a, type b) { return b < a ? b : a; } \
  inline type max(type a, type b) { return a < b ? b : a; }
SIMT_MIN_MAX(int)
SIMT_MIN_MAX(unsigned)
SIMT_MIN_MAX(long)
SIMT_MIN_MAX(unsigned long)
SIMT_MIN_MAX(long long)
SIMT_MIN_MAX(unsigned long long)
#undef SIMT_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
// glibc declares functions of some of these names.
#define __expf(x) ::simt::approximate(::expf(x))
#define __exp2f(x) ::simt::approximate(::exp2f(x))
#define __exp10f(x) ::simt::approximate(::exp10f(x))
#define __logf(x) ::simt::approximate(::logf(x))
#define __log2f(x) ::simt::approximate(::log2f(x))
#define __fdividef(a, b) ::simt::approximate((a) / (b))
#define __tanhf(x) ::simt::approximate(::tanhf(x))
