// Kernels that are wrong on purpose, one for each thing that the emulator must find, each with a twin that is right.
#include "test/emulator/detectors/planted_faults.h"

#include <cooperative_groups.h>
#include <cuda_runtime.h>

namespace simt {

namespace {

constexpr unsigned kFull = 0xffffffffu;
constexpr unsigned kThreads = 64;
constexpr int kSharedInts = 64;
constexpr int kGlobalInts = 256;

__device__ __forceinline__ int* shared_ints() { return static_cast<int*>(dynamic_shared()); }
__device__ __forceinline__ unsigned lane() { return threadIdx.x % 32; }

// ---- barriers and collectives

template <bool kFaulty>
__global__ void barrier_and_cluster_barrier(int*) {
  if (kFaulty && threadIdx.x < 32) {
    cooperative_groups::this_cluster().sync();
  } else {
    __syncthreads();
    if (!kFaulty) cooperative_groups::this_cluster().sync();
  }
}

template <bool kFaulty>
__global__ void spinning_on_a_flag(int*) {
  volatile int* flag = shared_ints();
  if (threadIdx.x == 0) *flag = 0;
  __syncthreads();
  if (kFaulty && threadIdx.x == 0) {
    while (*flag == 0) {
    }
  }
  __syncthreads();
  if (threadIdx.x == 63) *flag = 1;
}

template <bool kFaulty>
__global__ void barriers_in_two_arms(int*) {
  if (kFaulty && threadIdx.x < 32) {
    __syncthreads();
  } else if (kFaulty) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

template <bool kFaulty>
__global__ void barrier_after_return(int*) {
  if (kFaulty && threadIdx.x == 3) return;
  __syncthreads();
}

template <bool kFaulty>
__global__ void return_before_others_reach_the_barrier(int*) {
  if (!kFaulty || threadIdx.x < 32) __syncthreads();
}

template <bool kFaulty>
__global__ void votes_in_two_arms_of_one_line(int* data) {
  const bool odd = kFaulty && lane() % 2 == 1;
  // clang-format off
  if (odd) { data[threadIdx.x] = __any_sync(kFull, 1); } else { data[threadIdx.x] = __any_sync(kFull, 0); }
  // clang-format on
}

template <bool kFaulty>
__global__ void vote_and_barrier(int* data) {
  if (kFaulty && lane() == 7) {
    __syncthreads();
  } else {
    data[threadIdx.x] = __any_sync(kFull, 1);
    __syncthreads();
  }
}

template <bool kFaulty>
__global__ void masks_that_overlap(int* data) {
  const bool first = lane() < (kFaulty ? 12 : 20);
  const unsigned mask = first ? 0x000fffffu : kFaulty ? 0xfffff000u : 0xfff00000u;
  data[threadIdx.x] = static_cast<int>(__ballot_sync(mask, 1));
}

template <bool kFaulty>
__global__ void vote_with_a_lane_gone(int* data) {
  if (kFaulty && lane() == 5) return;
  data[threadIdx.x] = __all_sync(kFull, 1);
}

template <bool kFaulty>
__global__ void mask_without_the_caller(int*) {
  __syncwarp(kFaulty && lane() == 31 ? 0x7fffffffu : kFull);
}

template <bool kFaulty>
__global__ void mask_beyond_the_block(int* data) { // of 40 threads
  const unsigned mask = kFaulty || threadIdx.x < 32 ? kFull : 0xffu;
  data[threadIdx.x] = __any_sync(mask, 1);
}

template <bool kFaulty>
__global__ void shuffle_from_outside_the_mask(int* data) {
  int value = static_cast<int>(lane());
  if (lane() < 8) value = __shfl_sync(0xffu, value, kFaulty ? 9 : 7);
  data[threadIdx.x] = value;
}

// ---- bounds

template <bool kFaulty>
__global__ void read_past_the_end(int* data) {
  const int index = static_cast<int>(threadIdx.x) + kGlobalInts - 64 + (kFaulty ? 1 : 0);
  data[threadIdx.x] = data[index];
}

template <bool kFaulty>
__global__ void write_before_the_beginning(int* data) {
  data[static_cast<int>(threadIdx.x) - (kFaulty ? 1 : 0)] = 1;
}

template <bool kFaulty>
__global__ void wide_read_over_the_end(int* data) {
  const auto* vectors = reinterpret_cast<const uint4*>(data);
  const uint4 value = __ldg(vectors + kGlobalInts / 4 - (kFaulty ? 0 : 1));
  if (value.x == 12345) data[threadIdx.x] = 1;
}

template <bool kFaulty>
__global__ void shared_past_the_end(int*) {
  shared_ints()[threadIdx.x + (kFaulty ? 1 : 0)] = 1;
}

template <bool kFaulty>
__global__ void rank_beyond_the_cluster(int*) {
  shared_ints()[threadIdx.x] = 1;
  cooperative_groups::this_cluster().sync();
  const unsigned other = kFaulty ? 2 : 1 - cooperative_groups::this_cluster().block_rank();
  const int value = *cooperative_groups::this_cluster().map_shared_rank(shared_ints(), static_cast<int>(other));
  cooperative_groups::this_cluster().sync();
  shared_ints()[threadIdx.x] = value;
}

// Its middle is further than a megabyte from any memory of the device, where a fault would be taken for one that runs
// over an array's end.
int host_variables[1 << 20];
template <bool kFaulty>
__global__ void host_memory(int* data) {
  int* target = kFaulty ? &host_variables[1 << 19] : data;
  if (threadIdx.x == 0) *target = 1;
}

template <bool kFaulty>
__global__ void local_memory_of_another_thread(int* data) {
  int local[4] = {static_cast<int>(threadIdx.x), 1, 2, 3};
  auto** published = reinterpret_cast<int**>(dynamic_shared());
  if (threadIdx.x == 0) *published = local;
  __syncthreads();
  if (kFaulty || threadIdx.x == 0) data[threadIdx.x] = (*published)[0];
  __syncthreads();
}

// ---- reads of what nobody wrote

template <bool kFaulty>
__global__ void unwritten_shared(int* data) {
  if (!kFaulty || threadIdx.x != 63) shared_ints()[threadIdx.x] = 1;
  __syncthreads();
  data[threadIdx.x] = shared_ints()[63 - threadIdx.x];
}

template <bool kFaulty>
__global__ void unwritten_half_of_shared(int* data) {
  auto* halves = static_cast<unsigned short*>(dynamic_shared());
  halves[2 * threadIdx.x] = 1;
  if (!kFaulty) halves[2 * threadIdx.x + 1] = 1;
  __syncthreads();
  data[threadIdx.x] = shared_ints()[threadIdx.x];
}

template <bool kFaulty>
__global__ void unwritten_global(int* data, const int* never_written) {
  data[threadIdx.x] = kFaulty ? never_written[threadIdx.x] : data[threadIdx.x];
}

// ---- races

template <bool kFaulty>
__global__ void write_then_read(int* data) {
  shared_ints()[threadIdx.x] = 1;
  if (!kFaulty) __syncthreads();
  if (threadIdx.x < 32) data[threadIdx.x] = shared_ints()[threadIdx.x + 32];
}

// A barrier lies between the write and the reads, but none before the next write. The last to read is who writes.
template <bool kFaulty>
__global__ void reads_then_write_by_the_last_reader(int* data) {
  if (threadIdx.x == 0) *shared_ints() = 1;
  __syncthreads();
  if (threadIdx.x != 0) data[threadIdx.x] = *shared_ints();
  if (!kFaulty) __syncthreads();
  if (threadIdx.x == 0) *shared_ints() = 1 + *shared_ints();
}

template <bool kFaulty>
__global__ void shuffle_is_no_barrier(int* data) {
  shared_ints()[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (kFaulty) {
    data[threadIdx.x] = __shfl_sync(kFull, 1, 0);
  } else {
    __syncwarp();
  }
  data[threadIdx.x] = shared_ints()[threadIdx.x ^ 1u];
}

template <bool kFaulty>
__global__ void warp_barrier_between_warps(int* data) {
  if (threadIdx.x == 0) *shared_ints() = 1;
  if (kFaulty) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  data[threadIdx.x] = *shared_ints();
}

template <bool kFaulty>
__global__ void warp_barrier_of_some_lanes(int* data) {
  const unsigned mask = lane() < 16 ? 0x0000ffffu : 0xffff0000u;
  shared_ints()[threadIdx.x] = 1;
  if (kFaulty) {
    __syncwarp(mask);
  } else {
    __syncwarp();
  }
  data[threadIdx.x] = shared_ints()[threadIdx.x ^ 16u];
}

template <bool kFaulty>
__global__ void atomic_then_plain_read(int* data) {
  if (threadIdx.x == 0) *shared_ints() = 0;
  __syncthreads();
  atomicAdd(shared_ints(), 1);
  if (kFaulty) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  data[threadIdx.x] = *shared_ints();
}

template <bool kFaulty>
__global__ void shared_of_another_block_too_early(int* data) {
  if (threadIdx.x == 0) *shared_ints() = 1;
  if (kFaulty) {
    __syncthreads();
  } else {
    cooperative_groups::this_cluster().sync();
  }
  const int other = 1 - static_cast<int>(cooperative_groups::this_cluster().block_rank());
  data[blockIdx.x * kThreads + threadIdx.x] = *cooperative_groups::this_cluster().map_shared_rank(shared_ints(), other);
  cooperative_groups::this_cluster().sync();
}

template <bool kFaulty>
__global__ void shared_of_a_block_that_is_gone(int* data) {
  if (threadIdx.x == 0) *shared_ints() = 1;
  cooperative_groups::this_cluster().sync();
  int value = 0;
  const int other = 1 - static_cast<int>(cooperative_groups::this_cluster().block_rank());
  if (blockIdx.x == 0) value = *cooperative_groups::this_cluster().map_shared_rank(shared_ints(), other);
  data[blockIdx.x * kThreads + threadIdx.x] = value;
  if (!kFaulty) cooperative_groups::this_cluster().sync();
}

template <bool kFaulty>
__global__ void shared_of_another_block_after_arriving(int* data) {
  if (threadIdx.x == 0) *shared_ints() = 1;
  cooperative_groups::this_cluster().sync();
  const int other = 1 - static_cast<int>(cooperative_groups::this_cluster().block_rank());
  const int* theirs = cooperative_groups::this_cluster().map_shared_rank(shared_ints(), other);
  int value = kFaulty ? 0 : *theirs;
  cooperative_groups::this_cluster().barrier_arrive();
  if (kFaulty) value = *theirs;
  data[blockIdx.x * kThreads + threadIdx.x] = value;
  cooperative_groups::this_cluster().barrier_wait();
}

template <bool kFaulty>
__global__ void wait_without_arrival(int*) {
  if (!kFaulty) cooperative_groups::this_cluster().barrier_arrive();
  cooperative_groups::this_cluster().barrier_wait();
}

template <bool kFaulty>
__global__ void whole_barrier_after_arrival(int*) {
  cooperative_groups::this_cluster().barrier_arrive();
  if (kFaulty) {
    cooperative_groups::this_cluster().sync();
  } else {
    cooperative_groups::this_cluster().barrier_wait();
  }
}

template <bool kFaulty>
__global__ void global_between_threads(int* data) {
  data[threadIdx.x] = 1;
  if (!kFaulty) __syncthreads();
  data[kThreads + threadIdx.x] = data[threadIdx.x ^ 32u];
}

template <bool kFaulty>
__global__ void two_blocks_write_one_place(int* data) {
  if (threadIdx.x == 0) data[kFaulty ? 0 : blockIdx.x] = 1;
}

template <bool kFaulty>
__global__ void a_block_reads_what_another_writes(int* data) {
  if (threadIdx.x == 0 && blockIdx.x == 0) data[0] = 1;
  if (threadIdx.x == 0 && blockIdx.x == 1) data[1] = data[kFaulty ? 0 : 2];
}

// Bytes of one word belong to different blocks: no race.
template <bool kFaulty>
__global__ void neighbouring_bytes(int* data) {
  auto* bytes = reinterpret_cast<unsigned char*>(data);
  if (threadIdx.x == 0) bytes[kFaulty ? 0 : blockIdx.x] = 1;
}

// ---- alignment

template <bool kFaulty>
__global__ void misaligned_load(int* data) {
  const uint4 value = __ldcs(reinterpret_cast<const uint4*>(data + (kFaulty ? 1 : 4)));
  if (value.x == 12345) data[threadIdx.x] = 1;
}

template <bool kFaulty>
__global__ void misaligned_store(int* data) {
  if (threadIdx.x == 0) __stcs(reinterpret_cast<uint4*>(data + (kFaulty ? 2 : 4)), make_uint4(1, 2, 3, 4));
}

template <bool kFaulty>
__global__ void misaligned_through_a_pointer(int* data) {
  const uint4 value = *reinterpret_cast<const uint4*>(data + (kFaulty ? 1 : 4));
  if (value.x == 12345) data[threadIdx.x] = 1;
}

struct Geometry {
  unsigned blocks = 1;
  unsigned threads = kThreads;
  unsigned cluster = 1;
};

template <class... Parameters, class... Arguments>
cudaError_t start(Geometry geometry, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchAttribute cluster;
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {geometry.cluster, 1, 1};
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(geometry.blocks);
  config.blockDim = dim3(geometry.threads);
  config.dynamicSmemBytes = kSharedInts * sizeof(int);
  config.attrs = &cluster;
  config.numAttrs = geometry.cluster > 1 ? 1 : 0;
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, arguments...);
  return error != cudaSuccess ? error : cudaDeviceSynchronize();
}

using Kernel = void (*)(int*);

struct Case {
  PlantedFault fault;
  Kernel faulty;
  Kernel correct;
  Geometry geometry;
};

#define PLANTED(name, kind, ...)                                     \
  Case {                                                             \
    {#name, kind}, name<true>, name<false>, Geometry { __VA_ARGS__ } \
  }
const Case kCases[] = {
    PLANTED(barrier_and_cluster_barrier, "deadlock", 2, kThreads, 2),
    PLANTED(spinning_on_a_flag, "no-progress"),
    PLANTED(barriers_in_two_arms, "divergent-barrier"),
    PLANTED(wait_without_arrival, "divergent-barrier", 2, kThreads, 2),
    PLANTED(whole_barrier_after_arrival, "divergent-barrier", 2, kThreads, 2),
    PLANTED(barrier_after_return, "barrier-after-exit"),
    PLANTED(return_before_others_reach_the_barrier, "barrier-after-exit"),
    PLANTED(votes_in_two_arms_of_one_line, "divergent-collective"),
    PLANTED(vote_and_barrier, "divergent-collective"),
    PLANTED(masks_that_overlap, "divergent-collective"),
    PLANTED(vote_with_a_lane_gone, "collective-exited-lane"),
    PLANTED(mask_without_the_caller, "collective-mask"),
    PLANTED(mask_beyond_the_block, "collective-mask", 1, 40),
    PLANTED(shuffle_from_outside_the_mask, "shuffle-inactive-lane"),
    PLANTED(read_past_the_end, "global-out-of-bounds"),
    PLANTED(write_before_the_beginning, "global-out-of-bounds"),
    PLANTED(wide_read_over_the_end, "global-out-of-bounds"),
    PLANTED(shared_past_the_end, "shared-out-of-bounds"),
    PLANTED(rank_beyond_the_cluster, "shared-out-of-bounds", 2, kThreads, 2),
    PLANTED(host_memory, "unregistered-address"),
    PLANTED(local_memory_of_another_thread, "foreign-stack"),
    PLANTED(unwritten_shared, "uninitialised-shared"),
    PLANTED(unwritten_half_of_shared, "uninitialised-shared"),
    PLANTED(write_then_read, "shared-race"),
    PLANTED(reads_then_write_by_the_last_reader, "shared-race"),
    PLANTED(shuffle_is_no_barrier, "shared-race"),
    PLANTED(warp_barrier_between_warps, "shared-race"),
    PLANTED(warp_barrier_of_some_lanes, "shared-race"),
    PLANTED(atomic_then_plain_read, "shared-race"),
    PLANTED(shared_of_another_block_too_early, "shared-race", 2, kThreads, 2),
    PLANTED(shared_of_a_block_that_is_gone, "shared-after-exit", 2, kThreads, 2),
    PLANTED(shared_of_another_block_after_arriving, "shared-after-exit", 2, kThreads, 2),
    PLANTED(global_between_threads, "global-race"),
    PLANTED(two_blocks_write_one_place, "global-race", 2),
    PLANTED(a_block_reads_what_another_writes, "global-race", 2),
    PLANTED(neighbouring_bytes, "global-race", 4),
    PLANTED(misaligned_load, "misaligned"),
    PLANTED(misaligned_store, "misaligned"),
    PLANTED(misaligned_through_a_pointer, "misaligned"),
};

// The one kernel with an array that nobody writes.
const PlantedFault kUnwrittenGlobal = {"unwritten_global", "uninitialised-global"};

} // namespace

std::vector<PlantedFault> planted_faults() {
  std::vector<PlantedFault> faults;
  for (const Case& planted : kCases) faults.push_back(planted.fault);
  faults.push_back(kUnwrittenGlobal);
  return faults;
}

cudaError_t run_planted_fault(const std::string& name, bool faulty) {
  int* data = nullptr;
  int* never_written = nullptr;
  cudaMalloc(&data, kGlobalInts * sizeof(int));
  cudaMalloc(&never_written, kGlobalInts * sizeof(int));
  cudaMemset(data, 0, kGlobalInts * sizeof(int));
  cudaError_t result = cudaErrorInvalidValue;
  if (name == kUnwrittenGlobal.name) {
    result = start({}, faulty ? unwritten_global<true> : unwritten_global<false>, data, never_written);
  }
  for (const Case& planted : kCases) {
    if (name == planted.fault.name) {
      result = start(planted.geometry, faulty ? planted.faulty : planted.correct, data);
    }
  }
  cudaFree(data);
  cudaFree(never_written);
  return result;
}

} // namespace simt
