// Runs a small case on the device of the CUDA runtime that this is linked with, emulated or real, and compares every
// output with the CPU backend's. For the mutation run and for the check on a card.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>

#include "test/emulator/mutation/small_cases.h"

namespace fused_bear_loss::mutation {

// Says which case, which output, what it is and what it should be; or what the runtime said.
class Disagreement : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct DeviceRun {
  // Fills outputs and workspace with NaN before the call, so that what is not written shows. The emulator reports reads
  // of what nobody wrote, and must not be told that something was.
  bool poison = false;
  // Called when the kernels have run, with the device's address of the first logit.
  std::function<void(const SmallCase&, DType, const void*)> after_kernels;
};

class SmallCaseCheck {
 public:
  // Computes on the CPU.
  SmallCaseCheck(const SmallCase& small, DType dtype);
  // Throws Disagreement.
  void run(const DeviceRun& how) const;

 private:
  struct Results;
  static Results run_on_cpu(const SmallCase& small, DType dtype);
  static Results run_on_device(const SmallCase& small, DType dtype, const DeviceRun& how);
  static void compare(const SmallCase& small, DType dtype, const Results& got, const Results& expected);

  const SmallCase& small_;
  DType dtype_;
  std::shared_ptr<const Results> expected_;
};

} // namespace fused_bear_loss::mutation
