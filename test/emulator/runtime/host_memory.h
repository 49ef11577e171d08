// Copies of the addon's C++ code to and from page-locked memory of the host.
#pragma once

#include <cstddef>

namespace simt {

// Page-locked memory, which the host must not use while a device does.
void widen_pinned_range(const void* base, std::size_t bytes);

// Whether the address is page-locked memory of the host. With the runtime's lock held.
bool is_page_locked(const void* address);

} // namespace simt
