#include "test/emulator/simt/shadow_memory.h"

#include <link.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "test/emulator/simt/memory_region.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"
#include "test/faults/allocations/failing_allocator.h"

namespace simt {

namespace {

// How far from an allocation an address is still called out of its bounds.
constexpr std::uintptr_t kNear = 1 << 20;

struct GlobalMemory {
  std::map<std::uintptr_t, std::unique_ptr<MemoryRegion>> regions;
  MemoryRegion* last_used = nullptr;

  // The allocation that begins at or below the address.
  MemoryRegion* below(std::uintptr_t address) {
    auto after = regions.upper_bound(address);
    return after == regions.begin() ? nullptr : std::prev(after)->second.get();
  }
  MemoryRegion* find(std::uintptr_t address) {
    if (last_used != nullptr && address - last_used->base() < last_used->bytes()) return last_used;
    MemoryRegion* region = below(address);
    if (region == nullptr || address - region->base() >= region->bytes()) return nullptr;
    return last_used = region;
  }
};

GlobalMemory& global_memory() {
  static GlobalMemory memory;
  return memory;
}

std::vector<std::unique_ptr<MemoryRegion>>& shared_regions() {
  static std::vector<std::unique_ptr<MemoryRegion>> regions; // by rank in the cluster
  return regions;
}

// The parts of the program and its libraries that nobody can write: tables of constants.
bool is_constant(std::uintptr_t address) {
  struct Search {
    std::uintptr_t address;
    bool found;
  } search = {address, false};
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* data) {
        Search& s = *static_cast<Search*>(data);
        bool writable = false;
        bool loaded = false;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
          if (s.address < begin || s.address >= begin + segment.p_memsz) continue;
          if (segment.p_type == PT_LOAD) {
            loaded = true;
            writable = (segment.p_flags & PF_W) != 0;
          }
          if (segment.p_type == PT_GNU_RELRO) {
            s.found = true; // written once, by the loader
            return 1;
          }
        }
        s.found = loaded && !writable;
        return loaded ? 1 : 0;
      },
      &search);
  return search.found;
}

const char* name_of(Access access) {
  return access == Access::kRead ? "read" : access == Access::kWrite ? "write" : "atomic operation";
}

// For the report: addr2line takes the offset.
std::uintptr_t offset_in_program(const void* call_site) {
  struct Search {
    std::uintptr_t address;
    std::uintptr_t offset;
  } search = {reinterpret_cast<std::uintptr_t>(call_site), 0};
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* data) {
        Search& s = *static_cast<Search*>(data);
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
          if (segment.p_type != PT_LOAD || s.address < begin || s.address >= begin + segment.p_memsz) continue;
          s.offset = s.address - object->dlpi_addr;
          return 1;
        }
        return 0;
      },
      &search);
  return search.offset;
}

struct Attempt {
  std::uintptr_t address;
  std::size_t bytes;
  Access access;
  const void* call_site;
};

void report_attempt(ReportKind kind, const Attempt& a, const char* space, std::ptrdiff_t offset, std::size_t size,
                    const char* what) {
  const Thread& thread = *current_thread;
  report(kind, "block %u thread %u: %s of %zu bytes at offset %td of %s[%zu]%s (code +0x%zx)", thread.block->index.x,
         thread.number, name_of(a.access), a.bytes, offset, space, size, what, offset_in_program(a.call_site));
}

void report_race(ReportKind kind, const Attempt& a, const char* space, std::ptrdiff_t offset, std::size_t size,
                 const Race& race) {
  char what[96];
  const std::uint32_t first = current_thread->block->serial - current_thread->block->rank;
  const char* whose = race.other_block == current_thread->block->serial            ? "its block"
                      : race.other_block - first < current_cluster().blocks.size() ? "another block of its cluster"
                                                                                   : "another block";
  std::snprintf(what, sizeof what, " races with a %s by thread %u of %s", race.with_write ? "write" : "read",
                race.other_thread, whose);
  report_attempt(kind, a, space, offset, size, what);
}

void access_shared(Block& owner, const Attempt& a) {
  MemoryRegion& region = *shared_regions()[owner.rank];
  const auto offset = static_cast<std::ptrdiff_t>(a.address - region.base());
  const std::size_t size = region.usable_bytes();
  if (!region.holds(a.address, a.bytes)) {
    report_attempt(ReportKind::kSharedOutOfBounds, a, "shared memory", offset, size, "");
    stop_grid(GridOutcome::kIllegalAddress);
  }
  if (&owner != current_thread->block) {
    owner.remote_access = current_cluster().barrier_serial;
    if (current_thread->has_left_cluster) {
      report_attempt(ReportKind::kSharedAfterExit, a, "shared memory", offset, size,
                     " of another block, after the thread arrived at the cluster's barrier");
    }
  }
  if (owner.exited == owner.thread_count) {
    report_attempt(ReportKind::kSharedAfterExit, a, "shared memory", offset, size, " of a block that has exited");
  }
  if (!settings().detect) return;
  const auto at = static_cast<std::size_t>(offset);
  if (a.access != Access::kWrite && !region.is_written(at, a.bytes)) {
    report_attempt(ReportKind::kUninitialisedShared, a, "shared memory", offset, size, " that nobody wrote");
  }
  if (a.access != Access::kRead) region.mark_written(at, a.bytes);
  const Race race = region.check_races(at, a.bytes, a.access, current_cluster().first_serial);
  if (race.found) report_race(ReportKind::kSharedRace, a, "shared memory", offset, size, race);
}

void report_conflict(const MemoryRegion& region, std::size_t offset, Access access, const OrderConflict& conflict) {
  const auto name = [](StreamId stream) {
    return stream == kHostStream ? std::string("the host") : "stream " + std::to_string(stream);
  };
  report(ReportKind::kStreamRace, "%s of %s at offset %zu of memory[%zu]: nothing orders its %s and the %s by %s of %s",
         operation_name(), name(operation_stream()).c_str(), offset, region.usable_bytes(), name_of(access),
         conflict.other_writes ? "write" : "read", conflict.other, name(conflict.other_stream).c_str());
}

void access_global(MemoryRegion& region, const Attempt& a) {
  const auto offset = static_cast<std::ptrdiff_t>(a.address - region.base());
  const std::size_t size = region.usable_bytes();
  if (!region.holds(a.address, a.bytes)) {
    report_attempt(ReportKind::kGlobalOutOfBounds, a, "global memory", offset, size, "");
    stop_grid(GridOutcome::kIllegalAddress);
  }
  const auto at = static_cast<std::size_t>(offset);
  if (settings().count_traffic) region.count(at, a.bytes, a.access);
  if (!settings().detect) return;
  if (a.access != Access::kWrite && !region.is_written(at, a.bytes)) {
    report_attempt(ReportKind::kUninitialisedGlobal, a, "global memory", offset, size, " that nobody wrote");
  }
  if (a.access != Access::kRead) region.mark_written(at, a.bytes);
  const Race race = region.check_races(at, a.bytes, a.access, current_cluster().first_grid_serial);
  if (race.found) report_race(ReportKind::kGlobalRace, a, "global memory", offset, size, race);
  const OrderConflict conflict = region.check_order(at, a.bytes, a.access);
  if (conflict.found) report_conflict(region, at, a.access, conflict);
}

// An address that is neither the thread's own, nor shared, nor in an allocation.
void access_elsewhere(const Attempt& a) {
  std::size_t stack = 0;
  if (stacks().contains(a.address, stack)) {
    if (stack == current_thread->stack) return;
    report_attempt(ReportKind::kForeignStack, a, "the local memory of another thread", 0, 0, "");
    stop_grid(GridOutcome::kIllegalAddress);
  }
  if (a.access == Access::kRead && is_constant(a.address)) return;
  const MemoryRegion* below = global_memory().below(a.address);
  const MemoryRegion* above = global_memory().below(a.address + kNear);
  const bool near_below = below != nullptr && a.address - below->base() - below->bytes() < kNear;
  const bool near_above = above != nullptr && above != below;
  if (near_below || near_above) {
    const MemoryRegion& region = near_below ? *below : *above;
    report_attempt(ReportKind::kGlobalOutOfBounds, a, "global memory",
                   static_cast<std::ptrdiff_t>(a.address - region.base()), region.usable_bytes(), "");
  } else {
    report_attempt(ReportKind::kUnregisteredAddress, a, "memory that is not the device's", 0, 0, "");
  }
  stop_grid(GridOutcome::kIllegalAddress);
}

void check_alignment(const Attempt& a, std::size_t alignment) {
  if (a.address % alignment == 0) return;
  report_attempt(ReportKind::kMisaligned, a, "an address modulo its alignment",
                 static_cast<std::ptrdiff_t>(a.address % alignment), alignment, "");
  stop_grid(GridOutcome::kIllegalAddress);
}

void give_others_a_turn(Thread& thread) {
  if (++thread.accesses > settings().progress_limit) {
    report(ReportKind::kNoProgress, "block %u thread %u: %llu accesses in a row; it waits for ever",
           thread.block->index.x, thread.number, static_cast<unsigned long long>(thread.accesses));
    stop_grid(GridOutcome::kLaunchFailure);
  }
  if (random_order() && next_random() % 1000 < settings().preemption_per_mille) yield();
}

} // namespace

void record_access(const void* address, std::size_t bytes, std::size_t alignment, Access access,
                   const void* call_site) {
  Thread* thread = current_thread;
  if (thread == nullptr) return;
  const Attempt attempt = {reinterpret_cast<std::uintptr_t>(address), bytes, access, call_site};
  const auto stack = reinterpret_cast<std::uintptr_t>(stacks().stack(thread->stack));
  if (attempt.address - stack < StackPool::kStackBytes) return;
  give_others_a_turn(*thread);
  check_alignment(attempt, alignment);
  for (Block& block : current_cluster().blocks) {
    const auto shared = reinterpret_cast<std::uintptr_t>(block.shared);
    if (attempt.address - shared < kMaxSharedBytes) return access_shared(block, attempt);
  }
  GlobalMemory& memory = global_memory();
  MemoryRegion* region = memory.find(attempt.address);
  if (region != nullptr) return access_global(*region, attempt);
  access_elsewhere(attempt);
}

void record_misaligned(const void* address, std::size_t alignment, const void* call_site) {
  if (current_thread == nullptr) return;
  check_alignment({reinterpret_cast<std::uintptr_t>(address), 1, Access::kRead, call_site}, alignment);
}

void start_shared_memory(unsigned rank, unsigned char* base, std::size_t bytes) {
  auto& regions = shared_regions();
  if (regions.size() <= rank) regions.resize(rank + 1);
  if (!regions[rank]) {
    regions[rank] = std::make_unique<MemoryRegion>(reinterpret_cast<std::uintptr_t>(base), kMaxSharedBytes);
  }
  regions[rank]->restart(bytes);
  constexpr int kPoison = 0xCB;
  __builtin_memset(base, kPoison, bytes);
}

void* map_shared(const void* address, unsigned rank) {
  const Thread& thread = *current_thread;
  const auto offset = static_cast<const unsigned char*>(address) - thread.block->shared;
  if (rank >= current_cluster().blocks.size() || offset < 0 || static_cast<std::size_t>(offset) >= kMaxSharedBytes) {
    report(ReportKind::kSharedOutOfBounds, "block %u thread %u: offset %td mapped to block %u of the cluster's %zu",
           thread.block->index.x, thread.number, offset, rank, current_cluster().blocks.size());
    stop_grid(GridOutcome::kIllegalAddress);
  }
  return current_cluster().blocks[rank].shared + offset;
}

void register_global(void* base, std::size_t bytes) {
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  const auto address = reinterpret_cast<std::uintptr_t>(base);
  memory.regions[address] = std::make_unique<MemoryRegion>(address, bytes);
}

void unregister_global(void* base) {
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  memory.regions.erase(reinterpret_cast<std::uintptr_t>(base));
  memory.last_used = nullptr;
}

void restrict_global(void* base, std::size_t bytes) {
  const faults::OwnMemory own_memory;
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  const auto found = memory.regions.find(reinterpret_cast<std::uintptr_t>(base));
  if (found != memory.regions.end() && bytes <= found->second->bytes()) found->second->restart(bytes);
}

void mark_global_written(const void* address, std::size_t bytes) {
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  MemoryRegion* region = memory.find(begin);
  if (region != nullptr && begin + bytes <= region->base() + region->bytes()) {
    region->mark_written(begin - region->base(), bytes);
  }
}

void record_bulk_access(const void* address, std::size_t bytes, Access access) {
  if (!settings().detect || bytes == 0) return;
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  MemoryRegion* region = memory.find(begin);
  if (region == nullptr || begin + bytes > region->base() + region->bytes()) return;
  const OrderConflict conflict = region->check_order(begin - region->base(), bytes, access);
  if (conflict.found) report_conflict(*region, begin - region->base(), access, conflict);
}

bool traffic_of(const void* address, std::size_t bytes, Traffic& traffic) {
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  const MemoryRegion* region = memory.find(begin);
  if (region == nullptr || begin + bytes > region->base() + region->bytes()) return false;
  traffic = region->traffic(begin - region->base(), bytes);
  return true;
}

void clear_traffic() {
  GlobalMemory& memory = global_memory();
  const std::lock_guard<std::mutex> lock(grid_mutex());
  for (auto& region : memory.regions) region.second->clear_traffic();
}

} // namespace simt
