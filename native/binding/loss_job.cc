#include "native/binding/loss_job.h"

#include <cstring>

#include "native/core/dtype.h"

namespace fused_bear_loss {

LossJob::LossJob(const Backend& backend, const LossCall& call, std::int32_t lent, const Napi::Array& arrays,
                 const Napi::Value& state, const Napi::Function& done)
    : CancellableCall(arrays, state, done),
      backend_(backend),
      call_(call),
      problem_(call.problem),
      outputs_(call.outputs),
      rows_(problem_, outputs_, call.allowed_token_count),
      entries_bytes_(static_cast<std::size_t>(call.allowed_token_count * element_size(problem_.dtype))) {
  const GradientMode mode = problem_.gradient;
  const bool in_place = mode == GradientMode::kInPlace || mode == GradientMode::kInPlaceSparse;
  const bool lent_together = !in_place || lent == 3;
  take_logits((lent & 1) != 0 && lent_together);
  take_gradient((lent & 2) != 0 && lent_together);
}

void LossJob::take_logits(bool lent) {
  if (lent) return;
  allocate_rows();
  // Of lists nothing but the listed logits is read: a catalogue's tries allow a few tokens of a large vocabulary.
  copy_rows(problem_, own_rows_->data(), problem_.vocab_size, problem_.allowed_offsets != nullptr);
  problem_.logits = own_rows_->data();
  problem_.row_stride = problem_.vocab_size;
}

void LossJob::take_gradient(bool lent) {
  if (lent || problem_.gradient == GradientMode::kNone) return;
  copies_gradient_ = true;
  outputs_.grad_is_new = true; // the caller's is written by write_outputs()
  if (problem_.gradient == GradientMode::kSparse) {
    own_entries_.emplace(entries_bytes_);
    outputs_.grad_logits = own_entries_->data();
    return;
  }
  if (own_rows_) {
    // In place of the copied logits: one copy, not two.
    if (problem_.gradient == GradientMode::kOutOfPlace) problem_.gradient = GradientMode::kInPlace;
  } else {
    allocate_rows();
  }
  outputs_.grad_logits = own_rows_->data();
  outputs_.grad_row_stride = problem_.vocab_size;
}

ComputeStatus LossJob::compute(const std::atomic<std::int32_t>* abort) {
  const ComputeStatus status = backend_.compute(problem_, outputs_, summary_, abort);
  if (!copies_gradient_ || own_entries_) own_rows_.reset(); // of use to the next call from now on
  return status;
}

bool LossJob::write_outputs(const Napi::Array& arrays) {
  if (copies_gradient_ && current_gradient_length(arrays) != call_.gradient_length) return false;
  std::size_t length = 0;
  const LossOutputs destination = read_outputs(arrays, call_.problem, call_.outputs.grad_row_stride, length);
  if (own_entries_) {
    std::memcpy(destination.grad_logits, own_entries_->data(), entries_bytes_);
  } else if (copies_gradient_) {
    LogitRows gradient = static_cast<const LogitRows&>(problem_);
    gradient.logits = outputs_.grad_logits;
    gradient.row_stride = outputs_.grad_row_stride;
    // The entries between those of the lists are not ours to write.
    const bool is_sparse = problem_.gradient == GradientMode::kInPlaceSparse;
    copy_rows(gradient, destination.grad_logits, destination.grad_row_stride, is_sparse);
  }
  rows_.copy_outputs(destination);
  return true;
}

// Not a vector, which would write every element before the copy does.
void LossJob::allocate_rows() {
  own_rows_.emplace(static_cast<std::size_t>(problem_.rows * problem_.vocab_size * element_size(problem_.dtype)));
}

} // namespace fused_bear_loss
