#include "test/emulator/runtime/host_memory.h"

#include <atomic>
#include <cstring>

#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/grid.h"

namespace simt {
namespace {

// All page-locked memory that there ever was lies within, so that most copies need no lock. Other memory does, too.
std::atomic<std::uintptr_t> pinned_begin{UINTPTR_MAX};
std::atomic<std::uintptr_t> pinned_end{0};

void note_access(const void* address, std::size_t bytes, Access access) {
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  if (begin < pinned_begin || begin >= pinned_end || bytes == 0 || current_thread != nullptr) return;
  const RuntimeLock lock;
  if (!is_page_locked(address)) return;
  record_host_access(address, bytes, access);
}

} // namespace

void widen_pinned_range(const void* base, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(base);
  if (begin < pinned_begin) pinned_begin = begin;
  if (begin + bytes > pinned_end) pinned_end = begin + bytes;
}

} // namespace simt

// In place of the C library's, for the addon's own calls.
extern "C" void* memcpy(void* to, const void* from, std::size_t bytes) {
  simt::note_access(from, bytes, simt::Access::kRead);
  simt::note_access(to, bytes, simt::Access::kWrite);
  return std::memmove(to, from, bytes);
}
