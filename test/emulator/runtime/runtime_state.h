// The state behind the stand-in for the CUDA runtime: devices, injected faults, errors. One lock guards all of it; the
// functions of this header are called with the lock held unless they say otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "test/emulator/runtime/runtime_api.h"
#include "test/faults/allocations/failing_allocator.h"

namespace simt {

// Whether there is a driver, and one of use.
enum class DriverState { kWorking, kMissing, kTooOld };

// A device that the stand-in offers. The defaults are those of an H100.
struct EmulatedDevice {
  std::string name = "Emulated SIMT device";
  int major = 9;
  int minor = 0;
  int multiprocessors = 132;
  std::size_t total_bytes = std::size_t{16} << 30;
  std::size_t shared_bytes_per_block = 48 * 1024;
  std::size_t shared_bytes_per_block_optin = 227 * 1024;
  std::size_t shared_bytes_per_multiprocessor = 228 * 1024;
  int l2_bytes = 50 << 20;
  // What a partition of a device may be too small for, whatever its properties say.
  bool refuses_large_shared = false; // more than shared_bytes_per_block
};

// Bytes that somebody else writes just before a kernel runs: the `countdown`-th from now.
struct ForeignWrite {
  std::uint64_t countdown;
  void* pointer;
  std::vector<unsigned char> bytes;
};

// A call that is to fail: the `countdown`-th from now.
struct InjectedFault {
  std::string function;
  std::uint64_t countdown;
  cudaError_t error;
};

struct DeviceState {
  EmulatedDevice properties;
  std::size_t used_bytes = 0;
  cudaError_t sticky_error = cudaSuccess; // a kernel failed: nothing works any more, as on hardware
};

struct LiveCounts {
  std::size_t device_allocations = 0;
  std::size_t device_bytes = 0;
  std::size_t pinned_allocations = 0;
  std::size_t pinned_bytes = 0;
  std::size_t streams = 0;
  std::size_t events = 0;
};

struct RuntimeState {
  std::recursive_mutex mutex;
  DriverState driver = DriverState::kWorking;
  int driver_version = CUDART_VERSION; // of one that is too old or works
  std::vector<DeviceState> devices = std::vector<DeviceState>(2);
  std::vector<InjectedFault> faults;
  std::vector<ForeignWrite> foreign_writes;
  std::map<std::string, std::uint64_t> calls;    // how often each function was called
  std::map<const void*, std::uint64_t> launches; // of each kernel
  LiveCounts live;
  std::uint64_t random_state = 1;
  std::map<std::pair<int, const void*>, std::size_t> shared_limits; // by device and kernel
};
RuntimeState& runtime();

// The calling thread's device.
int current_device();
void set_current_device(int device);

// Counts the call and says whether it fails before it does anything.
cudaError_t begin_call(const char* function);
// Keeps the error for cudaGetLastError and returns it.
cudaError_t finish_call(cudaError_t error);
// The fault injected into asynchronous work of this kind ("kernel"), or success.
cudaError_t take_fault(const char* name);

bool valid_device(int device);

// Of the seed: what streams and host threads do.
std::uint64_t runtime_random();

// Runs what is pending: on one device, on all (-1). The host is none the wiser.
void drain_device(int device);
// Whatever has been done so far counts as ordered.
void forget_order();
// Forgets all streams and events, pending work included.
void forget_streams();

// Frees all memory.
void forget_memory();

// Holds the lock; what the stand-in allocates meanwhile is no memory of the addon's. With a seed, a host thread that is
// not alone lets others go first at times, so that calls of theirs come between any two of its own.
class RuntimeLock {
 public:
  RuntimeLock();
  ~RuntimeLock();
  RuntimeLock(const RuntimeLock&) = delete;
  RuntimeLock& operator=(const RuntimeLock&) = delete;

 private:
  faults::OwnMemory own_memory_;
};

// Takes the lock; usable once in a function that returns cudaError_t.
#define SIMT_RUNTIME_CALL(name)                \
  const ::simt::RuntimeLock simt_runtime_lock; \
  if (const cudaError_t begun = ::simt::begin_call(name); begun != cudaSuccess) return ::simt::finish_call(begun)

} // namespace simt
