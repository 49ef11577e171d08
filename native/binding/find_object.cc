// libgcc's unwinder, which is linked into the addon, asks glibc 2.35 for the library around an address. Answered here
// in the way that older unwinders find it, so that the addon also loads where glibc is 2.34 (RHEL 9).
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#if defined(__linux__)
#include <dlfcn.h>
#include <link.h>
#endif

#if defined(DLFO_STRUCT_HAS_EH_DBASE) && !DLFO_STRUCT_HAS_EH_DBASE

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

struct Search {
  std::uintptr_t address;
  dl_find_object* found;
};

// NOLINTBEGIN(performance-no-int-to-ptr): the loader says addresses as numbers

// A library, as dl_iterate_phdr shows it; 1 where it is the one.
int examine(dl_phdr_info* library, std::size_t /*size*/, void* data) {
  const auto& search = *static_cast<const Search*>(data);
  std::uintptr_t start = UINTPTR_MAX;
  std::uintptr_t end = 0;
  bool contains = false;
  void* eh_frame = nullptr;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const auto& segment = library->dlpi_phdr[i];
    const std::uintptr_t first = library->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) eh_frame = reinterpret_cast<void*>(first);
    if (segment.p_type != PT_LOAD) continue;
    start = std::min(start, first);
    end = std::max(end, first + segment.p_memsz);
    contains = contains || (search.address >= first && search.address < first + segment.p_memsz);
  }
  if (!contains || eh_frame == nullptr) return 0;
  *search.found = {};
  search.found->dlfo_map_start = reinterpret_cast<void*>(start);
  search.found->dlfo_map_end = reinterpret_cast<void*>(end);
  search.found->dlfo_eh_frame = eh_frame;
  return 1;
}

// NOLINTEND(performance-no-int-to-ptr)

} // namespace

// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is glibc's
extern "C" int _dl_find_object(void* address, dl_find_object* result) noexcept {
  Search search = {reinterpret_cast<std::uintptr_t>(address), result};
  return dl_iterate_phdr(examine, &search) == 1 ? 0 : -1;
}

#endif
