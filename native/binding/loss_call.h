// One call of the loss as JavaScript hands it over: numbers and typed arrays by position (call_fields.h; NativeLossCall
// in lib/native/binding.ts). TypeScript has checked what a user can get wrong and words the errors; here every length,
// enumerator and overlap is checked again, so that no mistake up there can become a read or write out of bounds.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/core/backend.h"
#include "native/core/device_api.h"

namespace fused_bear_loss {

struct LossCall {
  LossProblem problem;
  LossOutputs outputs;
  std::int64_t allowed_token_count = 0;
  std::size_t gradient_length = 0;  // elements of the gradient's view
  std::int32_t device = kCpuDevice; // a CUDA device's index, or kCpuDevice

  static constexpr std::int32_t kCpuDevice = -1;
};

using DeviceStorages = std::vector<std::shared_ptr<DeviceStorage>>;

// Throws a Napi::Error where the two do not describe a call: a mistake of this package, not of its user. Handles of
// memory on a device may stand for views where there are `storages`, which get what they hold.
LossCall read_loss_call(const Napi::Value& numbers, const Napi::Array& arrays, DeviceStorages* storages = nullptr);

// The same of a call whose logits are nowhere, and so without a gradient.
LossCall read_call_without_logits(const Napi::Value& numbers, const Napi::Array& arrays);

// The outputs alone, as their views are at this moment; `gradient_length` as in LossCall.
LossOutputs read_outputs(const Napi::Array& arrays, const LossProblem& problem, std::int64_t grad_row_stride,
                         std::size_t& gradient_length);

// Elements from the gradient's start to its end. Zero where it has been detached.
std::size_t current_gradient_length(const Napi::Array& arrays);

// The name of the input that shares memory with the gradient in a way that the kernel cannot serve, or null. A gradient
// that lies exactly on the logits is served: then the call becomes one in place. Compares addresses, as two shared
// buffer objects may be the same memory.
const char* settle_overlap(LossCall& call);

} // namespace fused_bear_loss
