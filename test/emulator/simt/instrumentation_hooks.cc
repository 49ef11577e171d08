// What the compiler calls at each load and store of the kernels' files. They are compiled with -fsanitize=thread and
// -fsanitize=alignment, and these functions stand in for the sanitizers' libraries, which are not linked.
#include <cstddef>

#include "test/emulator/simt/shadow_memory.h"

using simt::Access;
using simt::record_access;

extern "C" {

#define SIMT_HOOKS(bytes)                                                              \
  void __tsan_read##bytes(void* address) {                                             \
    record_access(address, bytes, bytes, Access::kRead, __builtin_return_address(0));  \
  }                                                                                    \
  void __tsan_write##bytes(void* address) {                                            \
    record_access(address, bytes, bytes, Access::kWrite, __builtin_return_address(0)); \
  }                                                                                    \
  void __tsan_unaligned_read##bytes(void* address) {                                   \
    record_access(address, bytes, 1, Access::kRead, __builtin_return_address(0));      \
  }                                                                                    \
  void __tsan_unaligned_write##bytes(void* address) {                                  \
    record_access(address, bytes, 1, Access::kWrite, __builtin_return_address(0));     \
  }                                                                                    \
  void __tsan_volatile_read##bytes(void* address) {                                    \
    record_access(address, bytes, bytes, Access::kRead, __builtin_return_address(0));  \
  }                                                                                    \
  void __tsan_volatile_write##bytes(void* address) {                                   \
    record_access(address, bytes, bytes, Access::kWrite, __builtin_return_address(0)); \
  }
SIMT_HOOKS(1)
SIMT_HOOKS(2)
SIMT_HOOKS(4)
SIMT_HOOKS(8)
SIMT_HOOKS(16)

void __tsan_read_range(void* address, std::size_t bytes) {
  record_access(address, bytes, 1, Access::kRead, __builtin_return_address(0));
}
void __tsan_write_range(void* address, std::size_t bytes) {
  record_access(address, bytes, 1, Access::kWrite, __builtin_return_address(0));
}
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  record_access(from, bytes, 1, Access::kRead, __builtin_return_address(0));
  record_access(to, bytes, 1, Access::kWrite, __builtin_return_address(0));
  return __builtin_memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  record_access(from, bytes, 1, Access::kRead, __builtin_return_address(0));
  record_access(to, bytes, 1, Access::kWrite, __builtin_return_address(0));
  return __builtin_memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
  record_access(to, bytes, 1, Access::kWrite, __builtin_return_address(0));
  return __builtin_memset(to, value, bytes);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// g++ splits a 16-byte access into smaller ones before it instruments them; this tells of the pointer itself. The
// layout is that of the sanitizer's library.
struct AlignmentCheck {
  const char* file;
  unsigned line;
  unsigned column;
  void* type;
  unsigned char log_alignment;
  unsigned char kind;
};
void __ubsan_handle_type_mismatch_v1(AlignmentCheck* check, void* pointer) {
  simt::record_misaligned(pointer, std::size_t{1} << check->log_alignment, __builtin_return_address(0));
}

} // extern "C"
