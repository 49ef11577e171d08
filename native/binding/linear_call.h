// Calls of the linear form, as JavaScript hands them over (lib/native/linear-calls.ts).
#pragma once

#include <napi.h>

#include <cstdint>

#include "native/core/linear_problem.h"

namespace fused_bear_loss {

struct LinearCall {
  LinearProblem problem; // without a workspace
  LinearOutputs outputs;
  std::int64_t allowed_token_count = 0;
  std::int64_t workspace_floats = 0; // what the call needs of what it may have
};

// (numbers, arrays, linearNumbers: Float64Array, linearArrays: (TypedArray | undefined)[], summary: Float64Array) =>
//   as computeLoss. Numbers and arrays are those of a call of the loss without logits and gradient.
Napi::Value linear_loss_from_js(const Napi::CallbackInfo& info);

// (numbers, arrays, linearNumbers, linearArrays, lent: number, state: Int32Array | undefined, done) => as
//   computeLossAsync; `lent` has a bit for each of linearArrays.
Napi::Value linear_loss_async_from_js(const Napi::CallbackInfo& info);

} // namespace fused_bear_loss
