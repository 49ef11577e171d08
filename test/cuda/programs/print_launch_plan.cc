// Prints the plan of a problem on a device as JSON: vocabulary, dtype (0, 1, 2), beam width, gradient (0, 1), listed
// (0, 1), shared bytes of a block, of a multiprocessor.
#include <cstdio>
#include <cstdlib>

#include "native/cuda/kernels/shared_layout.h"
#include "native/cuda/launch_plan.h"

using namespace fused_bear_loss;

int main(int count, char** arguments) {
  if (count != 8) return 1;
  const auto number = [&](int i) { return std::atoll(arguments[i]); };
  const std::int32_t offsets[] = {0};
  LossProblem problem;
  problem.vocab_size = number(1);
  problem.dtype = static_cast<DType>(number(2));
  problem.beam_width = number(3);
  problem.gradient = number(4) != 0 ? GradientMode::kOutOfPlace : GradientMode::kNone;
  problem.allowed_offsets = number(5) != 0 ? offsets : nullptr;
  cuda::DeviceProperties properties;
  properties.shared_bytes_per_block = static_cast<std::size_t>(number(6));
  properties.shared_bytes_per_multiprocessor = static_cast<std::size_t>(number(7));
  const cuda::LaunchPlan plan = cuda::plan_rows(problem, properties);
  std::printf(
      R"({"residency":"%s","threads":%d,"rowCapacity":%lld,"keptOfPlain":%lld,"keptOfNarrow":%lld,"sharedBytes":%zu,"stateBytes":%zu})",
      plan.residency == cuda::Residency::kShared ? "shared" : "global", plan.threads,
      static_cast<long long>(plan.row_capacity),
      static_cast<long long>(cuda::plan_plain_rows(plan, false).kept_vectors),
      static_cast<long long>(cuda::plan_plain_rows(plan, true).kept_vectors), plan.shared_bytes, cuda::kRowOffset);
  return 0;
}
