// Kernels that are wrong on purpose, for the tests of the detectors.
#pragma once

#include <string>
#include <vector>

#include "test/emulator/runtime/runtime_api.h"

namespace simt {

struct PlantedFault {
  const char* name;
  const char* kind; // of the report that it must lead to
};
std::vector<PlantedFault> planted_faults();

// Runs the faulty kernel or its correct twin, and says what synchronising with the device returned.
cudaError_t run_planted_fault(const std::string& name, bool faulty);

} // namespace simt
