#include "native/binding/async_loss.h"

#include <utility>

namespace fused_bear_loss {

LentMemory read_lent_memory(const Napi::Value& value) {
  const std::int32_t bits = read_lent_bits(value, 4);
  return {(bits & 1) != 0, (bits & 2) != 0};
}

AsyncLoss::AsyncLoss(std::unique_ptr<LossJob> job, const Napi::Array& arrays, const LossCall& call,
                     const Napi::Value& state, const Napi::Function& done)
    : CancellableCall(arrays, state, done),
      job_(std::move(job)),
      problem_(call.problem),
      grad_row_stride_(call.outputs.grad_row_stride),
      gradient_length_(call.gradient_length) {}

bool AsyncLoss::write_outputs(const Napi::Array& arrays) {
  if (job_->copies_gradient() && current_gradient_length(arrays) != gradient_length_) return false;
  std::size_t length = 0;
  job_->copy_outputs(read_outputs(arrays, problem_, grad_row_stride_, length));
  return true;
}

} // namespace fused_bear_loss
