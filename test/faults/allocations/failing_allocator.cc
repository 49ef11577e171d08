#include "test/faults/allocations/failing_allocator.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace faults {
namespace {

std::atomic<std::int64_t> countdown{0};
std::atomic<std::int64_t> counted{0};
std::atomic<std::int64_t> failed{0};
std::atomic<std::size_t> failing_bytes{0};
std::atomic<std::int64_t> live{0};

enum class Mode { kOff, kOne, kAllFrom };
std::atomic<Mode> mode{Mode::kOff};

thread_local int own_memory = 0;

bool fails(std::size_t bytes) {
  std::size_t wanted = bytes;
  if (bytes != 0 && failing_bytes.compare_exchange_strong(wanted, 0)) return true;
  const Mode now = mode.load();
  if (now == Mode::kOff || own_memory > 0) return false;
  ++counted;
  const std::int64_t left = countdown.fetch_sub(1);
  return left == 1 || (left < 1 && now == Mode::kAllFrom);
}

// Before each allocation. As large as the strictest alignment.
struct alignas(std::max_align_t) Header {
  bool counted;
};

void* allocate(std::size_t bytes) {
  if (fails(bytes)) {
    ++failed;
    return nullptr;
  }
  auto* const header = static_cast<Header*>(std::malloc(sizeof(Header) + bytes));
  if (header == nullptr) return nullptr;
  header->counted = own_memory == 0;
  if (header->counted) ++live;
  return header + 1;
}

void* allocate_or_throw(std::size_t bytes) {
  void* const memory = allocate(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void give_back(void* memory) {
  if (memory == nullptr) return;
  auto* const header = static_cast<Header*>(memory) - 1;
  if (header->counted) --live;
  std::free(header);
}

} // namespace

void arm(std::int64_t nth, Failing failing) {
  countdown = nth;
  counted = 0;
  failed = 0;
  mode = failing == Failing::kOne ? Mode::kOne : Mode::kAllFrom;
}

std::int64_t disarm() {
  mode = Mode::kOff;
  return failed;
}

std::int64_t counted_allocations() { return counted; }

void fail_bytes(std::size_t bytes) { failing_bytes = bytes; }

std::int64_t live_allocations() { return live; }

OwnMemory::OwnMemory() { ++own_memory; }
OwnMemory::~OwnMemory() { --own_memory; }

} // namespace faults

// In place of the C++ library's, in all their forms but those for unusual alignments.
void* operator new(std::size_t bytes) { return faults::allocate_or_throw(bytes); }
void* operator new[](std::size_t bytes) { return faults::allocate_or_throw(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return faults::allocate(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return faults::allocate(bytes); }
void operator delete(void* memory) noexcept { faults::give_back(memory); }
void operator delete[](void* memory) noexcept { faults::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { faults::give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { faults::give_back(memory); }
