// What the addon's C++ code does with memory of the host: allocations that fail, and copies to and from page-locked
// memory.
#pragma once

#include <cstddef>

namespace simt {

// The next allocation of exactly so many bytes fails. 0: none does.
void fail_host_allocation(std::size_t bytes);

// Page-locked memory, which the host must not use while a device does.
void widen_pinned_range(const void* base, std::size_t bytes);

} // namespace simt
