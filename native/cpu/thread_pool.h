// A small pool of threads that wait on a condition variable. No spin barriers: two spinning threads on one processor
// cost a scheduler slice (8 ms, measured with libgomp), and JavaScript's own threads share the machine.
#pragma once

#include <cstdint>

namespace fused_bear_loss {

// A function object of somebody else's, who keeps it. Allocates nothing, unlike std::function.
class TaskView {
 public:
  template <class Task>
  TaskView(const Task& task) // NOLINT(google-explicit-constructor): a view stands for what it views
      : task_(&task), call_([](const void* viewed) { (*static_cast<const Task*>(viewed))(); }) {}

  void operator()() const { call_(task_); }

 private:
  const void* task_;
  void (*call_)(const void*);
};

// At least 1.
std::int32_t available_threads();

// Runs `own` on the calling thread and, at the same time, `help` on up to `participants` - 1 pool threads; returns when
// all that began have ended. Each takes its share from a counter that they have in common, so `own` may run alone where
// the pool is busy or no thread can be made. They must not throw. Allocates nothing but threads. Safe to call from
// several threads at once.
void run_in_parallel(std::int32_t participants, TaskView own, TaskView help);

} // namespace fused_bear_loss
