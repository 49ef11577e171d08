// The words of CUDA C++ that are no C++: what the kernels' files may say when the host's compiler reads them.
//
// `__shared__` is missing on purpose. Kernels own one dynamic shared array and reach it through one helper, whose twin
// for this build is simt::dynamic_shared(): several blocks of a cluster are alive at once, so that no variable could
// hold it.
#pragma once

// Says to the kernels' files that the emulator compiles them.
#define FBL_SIMT_EMULATION 1

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))

// The loads, stores and atomic operations below tell the emulator of each access themselves, with its true width; they
// must not be instrumented a second time.
#define SIMT_UNINSTRUMENTED __attribute__((no_sanitize("thread", "alignment")))
