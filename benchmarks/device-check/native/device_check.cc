// The part of the check on a card that needs neither Node nor Python: device_check STEP [argument...]. Prints a record
// a line (record.h). Ends with 0 where all is right, 1 where something is wrong, 2 where there is no device that can be
// used, 3 where the step could not be made.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "benchmarks/device-check/native/device.h"
#include "benchmarks/device-check/native/inputs.h"
#include "benchmarks/device-check/native/record.h"
#include "benchmarks/device-check/native/steps.h"

#if defined(FBL_SIMT_EMULATION)
#include <cstdlib>

#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"
#endif

namespace fused_bear_loss::device_check {
namespace {

#if defined(FBL_SIMT_EMULATION)
// So that a test sees what a device does to the check that computes something else.
void set_up_rehearsal() {
  const char* const ulps = std::getenv("FUSED_BEAR_LOSS_EMULATED_ULPS");
  if (ulps != nullptr) simt::settings().approximation_ulps = static_cast<unsigned>(std::atoi(ulps));
}
bool device_is_silent() {
  const std::vector<simt::Report> found = simt::reports();
  if (!found.empty()) Record("error").add("message", std::string("the emulator reports: ") + found[0].text);
  return found.empty();
}
#else
void set_up_rehearsal() {}
bool device_is_silent() { return true; }
#endif

struct Step {
  const char* name;
  bool (*run)(const Arguments&);
};
constexpr Step kSteps[] = {
    {"limits", report_limits},      {"small-cases", check_small_cases}, {"large-shapes", check_large_shapes},
    {"ceilings", measure_ceilings}, {"times", measure_times},           {"profile", run_for_profiler},
};

std::string why_no_device(cudaError_t status) {
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "there is no NVIDIA driver";
  const auto version = [](int number) {
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
  };
  if (driver < runtime) return "the driver is for CUDA " + version(driver) + ", this program needs " + version(runtime);
  return status == cudaSuccess ? "the driver finds none" : cudaGetErrorString(status);
}

int run(const std::string& name, const Arguments& arguments) {
  if (name == "inputs" && arguments.size() == 1) { // needs no device
    write_inputs(arguments[0]);
    return 0;
  }
  for (const Step& step : kSteps) {
    if (name != step.name) continue;
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count < 1) {
      std::printf("No CUDA device can be used: %s.\n", why_no_device(status).c_str());
      return 2;
    }
    set_up_rehearsal();
    const bool is_right = step.run(arguments);
    if (!device_is_silent()) return 3;
    return is_right ? 0 : 1;
  }
  std::puts("usage: device_check limits|small-cases|large-shapes|ceilings|times|profile [argument...], or inputs FILE");
  return 3;
}

} // namespace
} // namespace fused_bear_loss::device_check

int main(int count, char** arguments) {
  using namespace fused_bear_loss::device_check;
  try {
    return run(count > 1 ? arguments[1] : "", {arguments + std::min(count, 2), arguments + count});
  } catch (const std::exception& error) {
    Record("error").add("message", error.what());
    return 3;
  }
}
