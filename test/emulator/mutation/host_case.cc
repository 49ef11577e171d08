#include "test/emulator/mutation/host_case.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/simt/settings.h"

namespace fused_bear_loss::mutation {

const char* current_case = "";

void fail(const char* what, double got, double expected) {
  std::printf("%s, seed %llu: %s: got %.9g, expected %.9g\n", current_case,
              static_cast<unsigned long long>(simt::settings().seed), what, got, expected);
  std::fflush(stdout);
  std::_Exit(1);
}
void expect(bool holds, const char* what) {
  if (!holds) fail(what);
}
void expect_equal(double got, double expected, const char* what) {
  if (got != expected) fail(what, got, expected);
}

std::uint64_t calls_of(const char* name) {
  const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
  return simt::runtime().calls[name];
}
std::uint64_t calls() {
  const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
  std::uint64_t sum = 0;
  for (const auto& each : simt::runtime().calls) sum += each.second;
  return sum;
}
void fail_call(const char* name, std::uint64_t nth, cudaError_t error) {
  const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
  simt::runtime().faults.push_back({name, nth, error});
}
void end_faults() {
  const std::lock_guard<std::recursive_mutex> lock(simt::runtime().mutex);
  simt::runtime().faults.clear();
}

} // namespace fused_bear_loss::mutation
