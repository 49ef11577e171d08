#include "native/binding/loss_job.h"

#include <algorithm>

#include "native/core/dtype.h"

namespace fused_bear_loss {
namespace {

// Makes `array` point to a copy of what it points to; null stays null.
template <class T>
void own(std::vector<T>& memory, const T*& array, std::int64_t count) {
  if (array == nullptr) return;
  memory.assign(array, array + count);
  array = memory.data();
}

// Makes `array` point to memory of its own where the caller asked for this output.
template <class T>
void own_output(std::vector<T>& memory, T*& array, std::int64_t count) {
  if (array == nullptr) return;
  memory.resize(static_cast<std::size_t>(count));
  array = memory.data();
}

template <class T>
void copy_output(const std::vector<T>& memory, T* destination) {
  if (destination != nullptr) std::copy(memory.begin(), memory.end(), destination);
}

} // namespace

LossJob::LossJob(const Backend& backend, const LossProblem& problem, const LossOutputs& outputs,
                 std::int64_t allowed_token_count, LentMemory lent)
    : backend_(backend), problem_(problem), outputs_(outputs) {
  const std::int64_t rows = problem.rows;
  own(targets_, problem_.targets, rows);
  own(token_weights_, problem_.token_weights, rows);
  own(penalty_weights_, problem_.penalty_weights, rows);
  own(grad_output_rows_, problem_.grad_output_rows, rows);
  own(allowed_offsets_, problem_.allowed_offsets, rows + 1);
  own(allowed_tokens_, problem_.allowed_tokens, allowed_token_count);
  own(allowed_bitmask_, problem_.allowed_bitmask, rows * bitmask_words(problem.vocab_size));
  own_output(row_losses_, outputs_.row_losses, rows);
  own_output(nll_, outputs_.nll, rows);
  own_output(log_sum_exp_, outputs_.log_sum_exp, rows);
  own_output(threshold_, outputs_.threshold, rows);
  own_output(margin_, outputs_.margin, rows);
  own_output(penalty_, outputs_.penalty, rows);
  own_output(rank_, outputs_.rank, rows);

  const bool in_place = problem.gradient == GradientMode::kInPlace || problem.gradient == GradientMode::kInPlaceSparse;
  if (in_place) lent.logits = lent.gradient = lent.logits && lent.gradient;
  take_logits(lent.logits);
  take_gradient(lent.gradient);
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
  if (own_rows_) {
    // In place of the copied logits: one copy, not two.
    if (problem_.gradient == GradientMode::kOutOfPlace) problem_.gradient = GradientMode::kInPlace;
  } else {
    allocate_rows();
  }
  copies_gradient_ = true;
  outputs_.grad_logits = own_rows_->data();
  outputs_.grad_row_stride = problem_.vocab_size;
  outputs_.grad_is_new = true; // the caller's is written by copy_outputs
}

ComputeStatus LossJob::run(const std::atomic<std::int32_t>* abort) {
  const ComputeStatus status = backend_.compute(problem_, outputs_, summary_, abort);
  if (!copies_gradient_) own_rows_.reset(); // of use to the next call from now on
  return status;
}

void LossJob::copy_outputs(const LossOutputs& destination) const {
  if (copies_gradient_) {
    LogitRows gradient = static_cast<const LogitRows&>(problem_);
    gradient.logits = outputs_.grad_logits;
    gradient.row_stride = outputs_.grad_row_stride;
    // The entries between those of the lists are not ours to write.
    const bool is_sparse = problem_.gradient == GradientMode::kInPlaceSparse;
    copy_rows(gradient, destination.grad_logits, destination.grad_row_stride, is_sparse);
  }
  copy_output(row_losses_, destination.row_losses);
  copy_output(nll_, destination.nll);
  copy_output(log_sum_exp_, destination.log_sum_exp);
  copy_output(threshold_, destination.threshold);
  copy_output(margin_, destination.margin);
  copy_output(penalty_, destination.penalty);
  copy_output(rank_, destination.rank);
}

// Not a vector, which would write every element before the copy does.
void LossJob::allocate_rows() {
  own_rows_.emplace(static_cast<std::size_t>(problem_.rows * problem_.vocab_size * element_size(problem_.dtype)));
}

} // namespace fused_bear_loss
