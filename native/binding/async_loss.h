// Loss calls off JavaScript's thread.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "native/binding/cancellable_call.h"
#include "native/binding/loss_call.h"
#include "native/binding/loss_job.h"

namespace fused_bear_loss {

// What JavaScript lends: a number, the sum of 1 for the logits and 2 for the gradient.
LentMemory read_lent_memory(const Napi::Value& value);

// A job, with what JavaScript lent it.
class AsyncLoss final : public CancellableCall {
 public:
  // `state` as CancellableCall takes it.
  AsyncLoss(std::unique_ptr<LossJob> job, const Napi::Array& arrays, const LossCall& call, const Napi::Value& state,
            const Napi::Function& done);

 protected:
  ComputeStatus compute(const std::atomic<std::int32_t>* abort) override { return job_->run(abort); }
  const LossSummary& summary() const override { return job_->summary(); }
  bool write_outputs(const Napi::Array& arrays) override;

 private:
  std::unique_ptr<LossJob> job_;
  LossProblem problem_; // the caller's sizes and modes; its pointers are not followed any more
  std::int64_t grad_row_stride_;
  std::size_t gradient_length_;
};

} // namespace fused_bear_loss
