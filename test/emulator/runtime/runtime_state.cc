#include "test/emulator/runtime/runtime_state.h"

#include <chrono>
#include <thread>

#include "test/emulator/simt/settings.h"

namespace simt {

namespace {

thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;

std::thread::id last_caller;
unsigned calls_in_a_row = 0;
thread_local int lock_depth = 0;

} // namespace

RuntimeState& runtime() {
  static RuntimeState state;
  return state;
}

RuntimeLock::RuntimeLock() {
  runtime().mutex.lock();
  if (lock_depth++ > 0) return;
  const std::thread::id caller = std::this_thread::get_id();
  calls_in_a_row = caller == last_caller ? calls_in_a_row + 1 : 0;
  last_caller = caller;
}

RuntimeLock::~RuntimeLock() {
  constexpr unsigned kAlone = 256; // so many calls without one of another thread
  const bool steps_aside =
      --lock_depth == 0 && settings().seed != 0 && calls_in_a_row < kAlone && runtime_random() % 4 == 0;
  runtime().mutex.unlock();
  if (steps_aside) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

std::uint64_t runtime_random() {
  std::uint64_t& state = runtime().random_state;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

int current_device() { return device_of_thread; }
void set_current_device(int device) { device_of_thread = device; }

bool valid_device(int device) { return device >= 0 && device < static_cast<int>(runtime().devices.size()); }

cudaError_t take_fault(const char* name) {
  auto& faults = runtime().faults;
  for (auto fault = faults.begin(); fault != faults.end(); ++fault) {
    if (fault->function != name || --fault->countdown > 0) continue;
    const cudaError_t error = fault->error;
    faults.erase(fault);
    return error;
  }
  return cudaSuccess;
}

cudaError_t begin_call(const char* function) {
  RuntimeState& state = runtime();
  ++state.calls[function];
  if (state.driver != DriverState::kWorking) return cudaErrorInsufficientDriver;
  if (const cudaError_t fault = take_fault(function); fault != cudaSuccess) return fault;
  if (state.devices.empty()) return cudaErrorNoDevice;
  if (!valid_device(current_device())) return cudaErrorInvalidDevice;
  return state.devices[static_cast<std::size_t>(current_device())].sticky_error;
}

cudaError_t finish_call(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

} // namespace simt

using namespace simt; // NOLINT: below are the functions of the runtime, which has no namespace

cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaGetLastError() {
  const faults::OwnMemory own_memory;
  const std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  const cudaError_t error = last_error;
  // An error that says that nothing works stays.
  const bool no_driver = runtime().driver != DriverState::kWorking;
  const bool stuck = valid_device(current_device()) &&
                     runtime().devices[static_cast<std::size_t>(current_device())].sticky_error != cudaSuccess;
  if (!no_driver && !stuck) last_error = cudaSuccess;
  return error;
}
