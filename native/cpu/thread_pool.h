// A small pool of threads that wait on a condition variable. No spin barriers: two spinning threads on one processor
// cost a scheduler slice (8 ms, measured with libgomp), and JavaScript's own threads share the machine.
#pragma once

#include <cstdint>
#include <functional>

namespace fused_bear_loss {

// Runs `task` on the calling thread and, at the same time, on up to `participants` - 1 pool threads; returns when all
// that began have ended. The task takes its share from a counter of its own, so it may run on the caller alone where
// the pool is busy or no thread can be made. It must not throw. Safe to call from several threads at once.
void run_in_parallel(std::int32_t participants, const std::function<void()>& task);

} // namespace fused_bear_loss
