#include <algorithm>
#include <stdexcept>

#include "benchmarks/device-check/native/device.h"
#include "benchmarks/device-check/native/inputs.h"
#include "benchmarks/device-check/native/record.h"
#include "benchmarks/device-check/native/steps.h"
#include "test/emulator/mutation/small_case_check.h"

namespace fused_bear_loss::device_check {
namespace {

// Of each case, what this device has of the properties that the case was written for.
bool fit_to_device(mutation::SmallCase& small, const cuda::DeviceProperties& device) {
  cuda::DeviceProperties& wanted = small.properties;
  wanted.shared_bytes_per_block = std::min(wanted.shared_bytes_per_block, device.shared_bytes_per_block);
  constexpr int kFirstMajorWithClusters = 9;
  return wanted.compute_major < kFirstMajorWithClusters || device.compute_major >= kFirstMajorWithClusters;
}

} // namespace

bool check_small_cases(const Arguments& arguments) {
  mutation::DeviceRun how;
  how.poison = true;
  std::size_t every = 1;
  std::vector<DType> dtypes;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--no-poison") {
      how.poison = false;
    } else if (arguments[i] == "--every") {
      every = static_cast<std::size_t>(std::stoul(arguments.at(++i)));
    } else {
      dtypes.push_back(parse_shape(arguments[i] + ",1,1").dtype);
    }
  }
  cudaDeviceProp properties{};
  must("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, 0));
  const cuda::DeviceProperties device = cuda::device_properties_of(properties);
  bool all_agree = true;
  std::vector<mutation::SmallCase> cases = mutation::small_cases();
  for (const DType dtype : dtypes) {
    int agreed = 0;
    int skipped = 0;
    int wrong = 0;
    std::string first;
    for (std::size_t i = 0; i < cases.size(); i += every) {
      if (!fit_to_device(cases[i], device)) {
        ++skipped;
        continue;
      }
      try {
        mutation::SmallCaseCheck(cases[i], dtype).run(how);
        ++agreed;
      } catch (const mutation::Disagreement& difference) {
        if (wrong++ == 0) first = difference.what();
        // A lost device fails every later call.
        if (cudaDeviceSynchronize() != cudaSuccess) break;
      }
    }
    all_agree = all_agree && wrong == 0;
    Record("check")
        .add("name", "small cases")
        .add("dtype", dtype_name(dtype))
        .add("agreed", agreed)
        .add("wrong", wrong)
        .add("skipped", skipped)
        .add("first", first);
  }
  return all_agree;
}

} // namespace fused_bear_loss::device_check
