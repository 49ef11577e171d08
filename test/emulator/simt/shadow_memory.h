// What the emulator knows of each byte of memory: who may touch it, who wrote and read it last, how often.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt {

constexpr std::size_t kMaxSharedBytes = 256 * 1024;

enum class Access : std::uint8_t { kRead, kWrite, kAtomic };

// Checks and counts one access of the running thread; outside of a kernel it does nothing. An access that must not
// happen stops the grid. `address` has to be a multiple of `alignment`. `call_site` is a code address for the report.
void record_access(const void* address, std::size_t bytes, std::size_t alignment, Access access, const void* call_site);

// The compiler's own check found an address that is no multiple of `alignment`.
void record_misaligned(const void* address, std::size_t alignment, const void* call_site);

// A block of the cluster starts with this array, of which nothing has been written.
void start_shared_memory(unsigned rank, unsigned char* base, std::size_t bytes);
// The same place in the array of another block of the cluster.
void* map_shared(const void* address, unsigned rank);

// Global memory. Kernels may touch only what is registered. These functions wait for a running grid.
void register_global(void* base, std::size_t bytes);
void unregister_global(void* base);
// Of a registered allocation only the first `bytes` may be touched from now on, and none of them has been written: a
// caching allocator hands it out anew.
void restrict_global(void* base, std::size_t bytes);
// A copy wrote here.
void mark_global_written(const void* address, std::size_t bytes);
// The running operation, which is no kernel, uses these bytes. What is not registered does not count.
void record_bulk_access(const void* address, std::size_t bytes, Access access);

struct Traffic;
// Of [address, address + bytes), which lies in one allocation. False where it does not.
bool traffic_of(const void* address, std::size_t bytes, Traffic& traffic);
void clear_traffic();

} // namespace simt
