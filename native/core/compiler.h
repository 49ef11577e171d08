// The few compiler words that the code shared by host, device and every instruction set needs.
#pragma once

// A function in a header that is compiled once per instruction set must not become a weak symbol: the linker would keep
// one copy for everybody, perhaps the AVX-512 one, and older processors would crash in it. `static` keeps each its own.
#if defined(__CUDACC__)
#define FBL_SHARED_INLINE static __host__ __device__ __forceinline__
// Long, and used in several places: on a device it is called.
#define FBL_SHARED_CALLED static inline __host__ __device__ __noinline__
#else
#define FBL_SHARED_INLINE static inline
#define FBL_SHARED_CALLED static inline
#endif

// FBL_ALWAYS_INLINE for functions, FBL_ALWAYS_INLINE_MEMBER for members of classes; FBL_NEVER_INLINE keeps rare work
// out of each of its callers. FBL_ONE_COPY keeps a large function that several objects share from being inlined or
// cloned in each of them.
#if defined(__GNUC__) && !defined(__clang__)
#define FBL_ONE_COPY __attribute__((noinline, noclone))
#else
#define FBL_ONE_COPY
#endif
#if defined(__GNUC__)
#define FBL_ALWAYS_INLINE_MEMBER inline __attribute__((always_inline))
#define FBL_NEVER_INLINE __attribute__((noinline))
#else
#define FBL_ALWAYS_INLINE_MEMBER inline
#define FBL_NEVER_INLINE
#endif
#define FBL_ALWAYS_INLINE static FBL_ALWAYS_INLINE_MEMBER
