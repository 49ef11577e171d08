// The memory that an addon of the tests gets from `operator new`: it is counted, and it can be told to run out. It is
// the addon's alone, as the addon hides its symbols and contains the C++ library: Node's own allocations never come
// here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace faults {

enum class Failing { kOne, kAllFrom };

// The `nth` allocation from now (1: the next) throws std::bad_alloc, or it and all after it do.
void arm(std::int64_t nth, Failing failing);
// Ends that; how many allocations failed.
std::int64_t disarm();
// Allocations since arm().
std::int64_t counted_allocations();

// The next allocation of exactly so many bytes fails, whoever makes it. 0: none does.
void fail_bytes(std::size_t bytes);

// Allocations that have not been given back.
std::int64_t live_allocations();

// While it lives, allocations of this thread neither fail nor count: those of a test's own machinery inside the addon.
class OwnMemory {
 public:
  OwnMemory();
  ~OwnMemory();
  OwnMemory(const OwnMemory&) = delete;
  OwnMemory& operator=(const OwnMemory&) = delete;
};

} // namespace faults
