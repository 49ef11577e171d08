#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "benchmarks/device-check/native/inputs.h"
#include "benchmarks/device-check/native/prepared.h"
#include "benchmarks/device-check/native/record.h"
#include "benchmarks/device-check/native/steps.h"
#include "test/emulator/mutation/small_case_check.h"

namespace fused_bear_loss::device_check {
namespace {

// Of each case, what this device has of the properties that the case was written for.
void fit_to_device(mutation::SmallCase& small, const cuda::DeviceProperties& device) {
  std::size_t& wanted = small.properties.shared_bytes_per_block;
  wanted = std::min(wanted, device.granted_shared_bytes());
  small.properties.compute_major = device.compute_major; // of 9 and above, kernels overlap
}

struct Tally {
  DType dtype = DType::kFloat32;
  int agreed = 0;
  int wrong = 0;
  int not_reached = 0;
  std::string first;
};

// False where the device is lost, and every later call would fail.
bool run(const mutation::SmallCase& small, const mutation::DeviceRun& how, Tally& tally) {
  try {
    mutation::SmallCaseCheck(small, tally.dtype).run(how);
    ++tally.agreed;
  } catch (const mutation::Disagreement& difference) {
    if (tally.wrong++ == 0) tally.first = difference.what();
    return cudaDeviceSynchronize() == cudaSuccess;
  }
  return true;
}

} // namespace

bool check_small_cases(const Arguments& arguments) {
  mutation::DeviceRun how;
  how.poison = true;
  std::size_t every = 1;
  double seconds = 1e9;
  std::vector<Tally> tallies;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--no-poison") {
      how.poison = false;
    } else if (arguments[i] == "--every") {
      every = static_cast<std::size_t>(std::stoul(arguments.at(++i)));
    } else if (arguments[i] == "--seconds") {
      seconds = std::stod(arguments.at(++i));
    } else {
      tallies.emplace_back();
      tallies.back().dtype = parse_shape(arguments[i] + ",1,1").dtype;
    }
  }
  const cuda::DeviceProperties device = prepare_device().properties;
  std::vector<mutation::SmallCase> cases = mutation::small_cases();
  const auto began = std::chrono::steady_clock::now();
  bool is_lost = false;
  for (std::size_t i = 0; i < cases.size(); i += every) {
    // A large prime, so that those that the time suffices for are of all kinds.
    mutation::SmallCase& small = cases[i * 7919 % cases.size()];
    fit_to_device(small, device);
    for (Tally& tally : tallies) {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
      if (is_lost || elapsed.count() > seconds) {
        ++tally.not_reached;
      } else {
        is_lost = !run(small, how, tally);
      }
    }
  }
  bool all_agree = true;
  for (const Tally& tally : tallies) {
    all_agree = all_agree && tally.wrong == 0 && tally.agreed > 0;
    Record("check")
        .add("name", "small cases")
        .add("dtype", dtype_name(tally.dtype))
        .add("agreed", tally.agreed)
        .add("wrong", tally.wrong)
        .add("skipped", 0)
        .add("notReached", tally.not_reached)
        .add("first", tally.first);
  }
  return all_agree;
}

} // namespace fused_bear_loss::device_check
