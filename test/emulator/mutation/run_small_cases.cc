// Runs the small cases on the emulated device, with all detectors on, and compares them with the CPU backend. Ends with
// 1 and a line that says why at the first difference or report.
//
//   run_small_cases float32|bfloat16 [seed...]     default seeds: 0 1 2
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/core/dtype.h"
#include "native/cuda/prepare_kernels.h"
#include "test/emulator/mutation/small_case_check.h"
#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/simt/memory_region.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"

namespace fused_bear_loss::mutation {
namespace {

[[noreturn]] void fail(const std::string& text) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(simt::settings().seed), text.c_str());
  std::exit(1);
}

void check_reports(const SmallCase& small) {
  const std::vector<simt::Report> found = simt::reports();
  if (!found.empty()) fail(small.name + ": " + simt::report_kind_name(found[0].kind) + ": " + found[0].text);
}

// Ranks cost further reads of the target, and a plain row that is not kept is read again in a few places; how often the
// first row is read as a whole, its least read logit tells.
void check_reads(const SmallCase& small, DType dtype, const void* logits) {
  if (!small.on_chip || small.problem.vocab_size <= 1) return;
  simt::Traffic traffic;
  simt::traffic_of(logits, static_cast<std::size_t>(small.problem.vocab_size * element_size(dtype)), traffic);
  const bool is_kept = small.without_ranks && small.problem.gradient != GradientMode::kNone;
  const unsigned reads = is_kept ? traffic.most_reads : traffic.fewest_reads;
  if (reads > 1) throw Disagreement(small.name + ": each logit is read " + std::to_string(reads) + " times");
}

void run_all(DType dtype, const std::vector<std::uint64_t>& seeds) {
  DeviceRun how;
  how.after_kernels = check_reads;
  for (const SmallCase& small : small_cases()) {
    const SmallCaseCheck check(small, dtype);
    for (const std::uint64_t seed : seeds) {
      simt::settings().seed = seed;
      try {
        check.run(how);
      } catch (const Disagreement& difference) {
        check_reports(small); // says more
        fail(difference.what());
      }
      check_reports(small);
    }
  }
}

} // namespace
} // namespace fused_bear_loss::mutation

int main(int count, char** arguments) {
  using fused_bear_loss::DType;
  const bool wide = count > 1 && std::strcmp(arguments[1], "float32") == 0;
  if (!wide && (count < 2 || std::strcmp(arguments[1], "bfloat16") != 0)) {
    std::puts("which dtype: float32 or bfloat16?");
    return 2;
  }
  fused_bear_loss::cuda::DeviceProperties emulated;
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, 0) == cudaSuccess) {
    emulated = fused_bear_loss::cuda::device_properties_of(properties);
  }
  if (fused_bear_loss::cuda::prepare_row_kernels(emulated) != cudaSuccess) return 2;
  std::vector<std::uint64_t> seeds;
  for (int i = 2; i < count; ++i) seeds.push_back(std::strtoull(arguments[i], nullptr, 10));
  if (seeds.empty()) seeds = {0, 1, 2};
  simt::settings().progress_limit = 1'000'000;
  simt::settings().count_traffic = true;
  fused_bear_loss::mutation::run_all(wide ? DType::kFloat32 : DType::kBFloat16, seeds);
  std::puts("all cases agree");
}
