// The launches of one loss call. Every function enqueues work on `stream`, in the current device's context, and returns
// what the runtime said of it. None allocates, waits for the device or throws.
//
// A whole call is enqueue_loss(), or, with logits that come in chunks of rows:
//
//   enqueue_begin                         checks targets and lists, counts rows
//   enqueue_rows(kFused) for each chunk   loss, statistics and gradient
//   enqueue_end                           sums over rows
//
// or, for reduction kWeightedMean with a gradient, whose divisor is a sum over all rows:
//
//   enqueue_begin
//   enqueue_rows(kStatistics) for each chunk
//   enqueue_end                           from here on the divisor is known
//   enqueue_rows(kGradient) for each chunk, whose logits have to be there once more
//
// The results do not depend on the chunks, bit for bit.
#pragma once

#include <cuda_runtime_api.h>

#include "native/cuda/device_problem.h"
#include "native/cuda/launch_plan.h"

namespace fused_bear_loss::cuda {

enum class Pass {
  kFused,      // kStatistics and kGradient in one kernel; not for kWeightedMean
  kStatistics, // everything but the gradient
  kGradient,   // of rows whose statistics are in the workspace
};

struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// Clears the summary, finds faults, counts rows. Reads no logits.
cudaError_t enqueue_begin(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream);

// problem.logits and outputs.grad_logits of `call` are those of row `range.first`; every array with an entry per row is
// that of all rows, from row 0.
cudaError_t enqueue_rows(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                         const DeviceProperties& properties, RowRange range, Pass pass);

// Completes the summary and writes call.loss.
cudaError_t enqueue_end(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                        const DeviceProperties& properties);

// All of a call.
cudaError_t enqueue_loss(const DeviceProblem& call, const Workspace& workspace, cudaStream_t stream,
                         const DeviceProperties& properties);

} // namespace fused_bear_loss::cuda
