// Threads of the addon's own. They live as long as the process: the addon is linked with -z nodelete, so that they also
// outlive the unloading of the addon with the last worker that had it.
#pragma once

#include <cstdint>

namespace fused_bear_loss {

// Starts up to `wanted` threads that call `work(argument)`, which must not return, with all signals blocked. Returns
// how many it could start: fewer where the system or the memory allows no more. Libuv starts its threads when it first
// needs them, and aborts the process where it cannot: what it needs is left to it.
std::int32_t start_threads(std::int32_t wanted, void (*work)(void*), void* argument) noexcept;

} // namespace fused_bear_loss
