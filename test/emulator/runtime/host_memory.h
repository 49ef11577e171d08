// Copies of the addon's C++ code to and from page-locked memory of the host.
#pragma once

#include <cstddef>

namespace simt {

// Page-locked memory, which the host must not use while a device does.
void widen_pinned_range(const void* base, std::size_t bytes);

} // namespace simt
