#include "test/emulator/simt/shadow_memory.h"

#include "test/emulator/simt/grid.h"
#include "test/emulator/simt/reports.h"

namespace simt {

void record_access(const void*, std::size_t, std::size_t, Access, const void*) {}
void start_shared_memory(unsigned, unsigned char*, std::size_t) {}
unsigned char* current_shared_memory() { return current_thread->block->shared; }
void* map_shared(const void* address, unsigned rank) {
  const auto offset = static_cast<const unsigned char*>(address) - current_thread->block->shared;
  return current_cluster().blocks[rank].shared + offset;
}
void end_grid() {}
void register_global(void*, std::size_t) {}
void unregister_global(void*) {}
void restrict_global(void*, std::size_t) {}
void mark_global_written(const void*, std::size_t) {}

} // namespace simt
