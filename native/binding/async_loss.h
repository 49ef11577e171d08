// Loss calls off JavaScript's thread.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "native/binding/background_calls.h"
#include "native/binding/loss_call.h"
#include "native/binding/loss_job.h"
#include "native/core/device_error.h"

namespace fused_bear_loss {

// What JavaScript lends: a number, the sum of 1 for the logits and 2 for the gradient.
LentMemory read_lent_memory(const Napi::Value& value);

// A job, with what JavaScript lent it.
class AsyncLoss final : public BackgroundCall {
 public:
  // `state` is undefined, or an Int32Array of shared memory: not 0 at [0] aborts the call, not 0 at [1] says that it
  // has begun. Who aborts a call before it has begun may take back at once what was lent.
  AsyncLoss(std::unique_ptr<LossJob> job, const Napi::Array& arrays, const LossCall& call, const Napi::Value& state,
            const Napi::Function& done);

  void run() noexcept override;
  void cancel() noexcept override { state_[0].store(1, std::memory_order_relaxed); }

 protected:
  // Writes the caller's outputs, unless the call was aborted or their memory is no longer what it was.
  Napi::Value settle(Napi::Env env) override;

 private:
  std::unique_ptr<LossJob> job_;
  // Of the call: keeps what was lent, and has the output views that are looked at again when the job is done.
  Napi::ObjectReference arrays_;
  LossProblem problem_; // the caller's sizes and modes; its pointers are not followed any more
  std::int64_t grad_row_stride_;
  std::size_t gradient_length_;

  std::atomic<std::int32_t> own_state_[2] = {};
  Napi::ObjectReference shared_; // keeps the memory of JavaScript's, where `state_` is there
  std::atomic<std::int32_t>* state_;

  ComputeStatus status_ = ComputeStatus::kOk;
  std::optional<DeviceError> device_error_; // in place of a status
};

} // namespace fused_bear_loss
