// Flows of control that are switched by hand: one for each CUDA thread of the blocks that are alive.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#define SIMT_HAND_WRITTEN_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace simt {

// Where a flow of control goes on when it is switched to.
struct Context {
#ifdef SIMT_HAND_WRITTEN_SWITCH
  void* stack_pointer = nullptr;
#else
  ucontext_t registers;
#endif
};

// Stores the running flow in `from` and goes on with `to`.
void switch_context(Context& from, Context& to);

// Makes `context` start `entry` on the given stack. `entry` never returns.
void prepare_context(Context& context, char* stack, std::size_t bytes, void (*entry)());

// Stacks of equal size, each with an inaccessible page below it. They are kept until the process ends.
class StackPool {
 public:
  static constexpr std::size_t kStackBytes = 128 * 1024;

  void reserve(std::size_t count);
  // The usable part of one stack. Tops are staggered: at equal offsets modulo 64 KiB the stacks would push each other
  // out of the cache.
  char* stack(std::size_t index) const;
  std::size_t stack_bytes(std::size_t index) const;
  // Whether the address lies in any stack, and in which one.
  bool contains(std::uintptr_t address, std::size_t& index) const;

 private:
  char* base_ = nullptr;
  std::size_t count_ = 0;
};

} // namespace simt
