#include "native/cuda/launch_loss.h"

#include <algorithm>

#include "native/core/dtype.h"

#include "native/cuda/kernels/row_launch.h"
#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::cuda {
namespace {

constexpr std::int64_t kMaxBlocks = 0x7fffffff; // of a grid

using Launcher = cudaError_t (*)(const cudaLaunchConfig_t&, const RowLaunch&);

enum class Kernel { kRow, kPlain, kGradient };

template <class Element>
Launcher launcher_of(Kernel kernel) {
  if (kernel == Kernel::kGradient) return launch_gradient_kernel<Element>;
  return kernel == Kernel::kPlain ? launch_plain_kernel<Element> : launch_row_kernel<Element>;
}

Launcher launcher_of(DType dtype, Kernel kernel) {
  switch (dtype) {
    case DType::kFloat16:
      return launcher_of<Float16>(kernel);
    case DType::kBFloat16:
      return launcher_of<BFloat16>(kernel);
    case DType::kFloat32:
      break;
  }
  return launcher_of<float>(kernel);
}

// What plan_rows() says, for the kernel that has records instead of a sweep.
LaunchPlan plan_gradient(const LossProblem& problem, const DeviceProperties& properties) {
  LaunchPlan plan = plan_rows(problem, properties);
  plan.row_capacity = 0;
  plan.shared_bytes = kRowOffset;
  return plan;
}

bool has_row_outputs(const LossOutputs& outputs) {
  return outputs.row_losses != nullptr || outputs.nll != nullptr || outputs.log_sum_exp != nullptr ||
         outputs.threshold != nullptr || outputs.margin != nullptr || outputs.penalty != nullptr ||
         outputs.rank != nullptr;
}

LogitScaling scaling_of(const LossProblem& problem) {
  constexpr double kLog2E = 1.4426950408889634;
  LogitScaling scaling{};
  scaling.scale = static_cast<float>(kLog2E / problem.temperature);
  scaling.slack = kReferenceSlack / scaling.scale;
  if (problem.softcap > 0) {
    scaling.cap = static_cast<float>(problem.softcap);
    scaling.inverse_cap = static_cast<float>(1 / problem.softcap);
  }
  return scaling;
}

} // namespace

cudaError_t enqueue_begin(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream) {
  const cudaError_t status = cudaMemsetAsync(workspace.summary, 0, sizeof(DeviceSummary), stream);
  return status != cudaSuccess ? status : launch_begin_kernel(call, workspace, stream);
}

cudaError_t enqueue_rows(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                         const DeviceProperties& properties, RowRange range, Pass pass) {
  const bool gradient_only = pass == Pass::kGradient;
  DeviceProblem part = call;
  if (pass == Pass::kStatistics) part.problem.gradient = GradientMode::kNone;
  const LaunchPlan plan = gradient_only ? plan_gradient(part.problem, properties) : plan_rows(part.problem, properties);

  cudaLaunchConfig_t config{};
  config.blockDim = dim3(static_cast<unsigned>(plan.threads));
  config.dynamicSmemBytes = plan.shared_bytes;
  config.stream = stream;
  cudaLaunchAttribute overlap = overlap_attribute();
  config.attrs = &overlap;
  config.numAttrs = overlaps_kernels(properties) ? 1 : 0;

  RowLaunch launch{};
  launch.call = part;
  // The threshold token is the gradient's, which may come in a pass of its own.
  launch.call.problem.gradient = call.problem.gradient;
  launch.scaling = scaling_of(call.problem);
  launch.workspace = workspace;
  launch.chunk_row = range.first;
  launch.row_capacity = static_cast<std::int32_t>(plan.row_capacity);
  launch.writes_record = pass == Pass::kStatistics;
  launch.writes_statistics = has_row_outputs(call.outputs);
  launch.write_gradient = part.problem.gradient != GradientMode::kNone;
  Kernel kernel = gradient_only ? Kernel::kGradient : Kernel::kRow;
  if (kernel == Kernel::kRow && is_plain(launch.call.problem, call.outputs, plan)) {
    kernel = Kernel::kPlain;
    launch.forward_only = !launch.write_gradient && has_forward_kernels(properties);
    launch.is_narrow = is_narrow(part.problem, call.outputs);
    const PlainRows rows = plan_plain_rows(plan, launch.is_narrow);
    launch.kept_vectors = static_cast<std::int32_t>(rows.kept_vectors);
    config.dynamicSmemBytes = rows.shared_bytes;
  }
  const Launcher launcher = launcher_of(call.problem.dtype, kernel);
  const std::int64_t end = range.first + range.count;
  for (launch.first_row = range.first; launch.first_row < end; launch.first_row += kMaxBlocks) {
    const std::int64_t rows = std::min(kMaxBlocks, end - launch.first_row);
    config.gridDim = dim3(static_cast<unsigned>(rows));
    const cudaError_t status = launcher(config, launch);
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}

cudaError_t enqueue_end(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                        const DeviceProperties& properties) {
  return launch_end_kernel(call, workspace, stream, overlaps_kernels(properties));
}

cudaError_t enqueue_loss(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                         const DeviceProperties& properties) {
  const RowRange all = {0, call.problem.rows};
  const bool with_gradient = call.problem.gradient != GradientMode::kNone;
  const bool divisor_comes_last = call.problem.reduction == Reduction::kWeightedMean;
  cudaError_t status = enqueue_begin(call, workspace, stream);
  if (status == cudaSuccess) {
    const Pass first = divisor_comes_last ? Pass::kStatistics : Pass::kFused;
    status = enqueue_rows(call, workspace, stream, properties, all, first);
  }
  if (status == cudaSuccess) status = enqueue_end(call, workspace, stream, properties);
  if (status == cudaSuccess && divisor_comes_last && with_gradient) {
    status = enqueue_rows(call, workspace, stream, properties, all, Pass::kGradient);
  }
  return status;
}

} // namespace fused_bear_loss::cuda
