// The host's own memory, as the addon's C++ code gets it from `operator new`: it can be told to run out.
#pragma once

#include <cstddef>

namespace simt {

// The next allocation of exactly so many bytes throws std::bad_alloc. 0: none does.
void fail_host_allocation(std::size_t bytes);

} // namespace simt
