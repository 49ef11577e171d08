// What the module has in place of an operating system: one thread, and memory that is there or not.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "native/cpu/thread_pool.h"

namespace fused_bear_loss {

std::int32_t available_threads() { return 1; }

void run_in_parallel(std::int32_t /*participants*/, TaskView own, TaskView /*help*/) { own(); }

} // namespace fused_bear_loss

// The one thread never ends.
extern "C" int __cxa_thread_atexit(void (* /*destroy*/)(void*), void* /*object*/, void* /*library*/) { return 0; }

// Built without exceptions: where memory runs out in spite of reserve(), the call traps, and JavaScript drops the
// module.
void* operator new(std::size_t bytes) {
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) __builtin_trap();
  return memory;
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

// A throw traps too.
extern "C" void* __cxa_allocate_exception(std::size_t /*bytes*/) { __builtin_trap(); }
extern "C" void __cxa_throw(void* /*exception*/, void* /*type*/, void* /*destroy*/) { __builtin_trap(); }

// The C++ library's would print, too.
extern "C" void __cxa_pure_virtual() { __builtin_trap(); }

// libc++'s would print, which needs a file system.
namespace std {
inline namespace __1 {
[[noreturn]] void __libcpp_verbose_abort(const char* /*format*/, ...) { __builtin_trap(); }
} // namespace __1
} // namespace std
