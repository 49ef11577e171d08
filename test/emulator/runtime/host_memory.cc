#include "test/emulator/runtime/host_memory.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace simt {
namespace {

std::atomic<std::size_t> failing_bytes{0};

} // namespace

void fail_host_allocation(std::size_t bytes) { failing_bytes = bytes; }

} // namespace simt

// In place of the C++ library's, whose other forms call this one and whose `delete` frees what it returns.
void* operator new(std::size_t bytes) {
  std::size_t failing = bytes;
  if (bytes != 0 && simt::failing_bytes.compare_exchange_strong(failing, 0)) throw std::bad_alloc();
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
