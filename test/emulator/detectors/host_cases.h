// Host code around an emulated device, right and wrong, for the tests of the stand-in for the CUDA runtime.
#pragma once

#include <string>
#include <vector>

namespace simt {

std::vector<std::string> host_case_names();

// Returns a cudaError_t, or for cases that compute something whether the result was right: 0 or 1.
int run_host_case(const std::string& name);

} // namespace simt
