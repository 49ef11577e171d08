// What a launch of the row kernels is given, and how the host starts it.
#pragma once

#include <cuda_runtime_api.h>

#include <array>

#include "native/cuda/device_problem.h"

namespace fused_bear_loss::cuda {

// How scaled logits come from logits, in single precision.
struct LogitScaling {
  float scale; // log2(e) / temperature
  float slack; // a logit that is so much larger is 2^kReferenceSlack times as probable
  float cap;   // 0: none
  float inverse_cap;
};

struct RowLaunch {
  DeviceProblem call;
  LogitScaling scaling;
  Workspace workspace;
  std::int64_t first_row;    // of the launch, among all rows
  std::int64_t chunk_row;    // the row that problem.logits and outputs.grad_logits begin with
  std::int32_t row_capacity; // vectors that a block can keep; 0: it keeps none
  bool write_gradient;
  bool writes_record;     // all of it: the gradient is written by a kernel of its own
  bool writes_statistics; // some output of the rows is asked for
  // Of plain rows:
  bool forward_only;         // of wide rows: a kernel that can write no gradient is there, and none is to be written
  bool is_narrow;            // not all vectors of logits and gradients are aligned
  std::int32_t kept_vectors; // at the row's beginning: they stay in shared memory
};

// The kernels of a dtype that launches may give as much shared memory as prepare_row_kernels() allows.
constexpr std::size_t kRowKernels = 5;
template <class Element>
std::array<const void*, kRowKernels> row_kernels();

template <class Element>
cudaError_t launch_row_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch);
template <class Element>
cudaError_t launch_plain_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch); // see is_plain()
template <class Element>
cudaError_t launch_gradient_kernel(const cudaLaunchConfig_t& config, const RowLaunch& launch);

cudaError_t launch_begin_kernel(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream);
cudaError_t launch_end_kernel(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                              bool overlapping);

// Of a launch that may begin while the kernel before it in the stream ends.
inline cudaLaunchAttribute overlap_attribute() {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  return attribute;
}

} // namespace fused_bear_loss::cuda
