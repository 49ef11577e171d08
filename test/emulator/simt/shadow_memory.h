// What the emulator knows of each byte of memory: who may touch it, who wrote and read it last, how often.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace simt {

constexpr std::size_t kMaxSharedBytes = 256 * 1024;

enum class Access : std::uint8_t { kRead, kWrite, kAtomic };

// Checks and counts one access of the running thread; outside of a kernel it does nothing. An access that must not
// happen stops the grid. `address` has to be a multiple of `alignment`. `call_site` is a code address for the report.
void record_access(const void* address, std::size_t bytes, std::size_t alignment, Access access, const void* call_site);

// A block of the cluster starts with this array, of which nothing has been written.
void start_shared_memory(unsigned rank, unsigned char* base, std::size_t bytes);
// The running thread's block's array.
unsigned char* current_shared_memory();
// The same place in the array of another block of the cluster.
void* map_shared(const void* address, unsigned rank);

void end_grid();

// Global memory. Kernels may touch only what is registered.
void register_global(void* base, std::size_t bytes);
void unregister_global(void* base);
// Of a registered allocation only the first `bytes` may be touched from now on, and none of them has been written.
void restrict_global(void* base, std::size_t bytes);
// The host or a copy wrote here.
void mark_global_written(const void* address, std::size_t bytes);

} // namespace simt
