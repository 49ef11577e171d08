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

// A job, with what JavaScript lent it.
class AsyncLoss final : public BackgroundCall {
 public:
  // `abort_flag` is an Int32Array of shared memory, or undefined.
  AsyncLoss(std::unique_ptr<LossJob> job, const Napi::Array& arrays, const LossCall& call,
            const Napi::Value& abort_flag, const Napi::Function& done);

  void run() noexcept override;
  void cancel() noexcept override { abort_->store(1, std::memory_order_relaxed); }

 protected:
  // Writes the caller's outputs, unless the call was aborted or their memory is no longer what it was.
  Napi::Value settle(Napi::Env env) override;

 private:
  std::unique_ptr<LossJob> job_;
  Napi::ObjectReference arrays_; // of the call, whose output views are looked at again when the job is done
  LossProblem problem_;          // the caller's sizes and modes; its pointers are not followed any more
  std::int64_t grad_row_stride_;
  std::size_t gradient_length_;

  std::atomic<std::int32_t> own_abort_{0};
  Napi::ObjectReference flag_; // keeps the memory of JavaScript's, where `abort_` is there
  std::atomic<std::int32_t>* abort_;

  ComputeStatus status_ = ComputeStatus::kOk;
  std::optional<DeviceError> device_error_; // in place of a status
};

} // namespace fused_bear_loss
