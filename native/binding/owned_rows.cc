#include "native/binding/owned_rows.h"

#include <algorithm>

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

OwnedRows::OwnedRows(LossProblem& problem, LossOutputs& outputs, std::int64_t allowed_token_count) {
  const std::int64_t rows = problem.rows;
  own(targets_, problem.targets, rows);
  own(token_weights_, problem.token_weights, rows);
  own(penalty_weights_, problem.penalty_weights, rows);
  own(grad_output_rows_, problem.grad_output_rows, rows);
  own(allowed_offsets_, problem.allowed_offsets, rows + 1);
  own(allowed_tokens_, problem.allowed_tokens, allowed_token_count);
  own(allowed_bitmask_, problem.allowed_bitmask, rows * bitmask_words(problem.vocab_size));
  own_output(row_losses_, outputs.row_losses, rows);
  own_output(nll_, outputs.nll, rows);
  own_output(log_sum_exp_, outputs.log_sum_exp, rows);
  own_output(threshold_, outputs.threshold, rows);
  own_output(margin_, outputs.margin, rows);
  own_output(penalty_, outputs.penalty, rows);
  own_output(rank_, outputs.rank, rows);
}

void OwnedRows::copy_outputs(const LossOutputs& destination) const {
  copy_output(row_losses_, destination.row_losses);
  copy_output(nll_, destination.nll);
  copy_output(log_sum_exp_, destination.log_sum_exp);
  copy_output(threshold_, destination.threshold);
  copy_output(margin_, destination.margin);
  copy_output(penalty_, destination.penalty);
  copy_output(rank_, destination.rank);
}

} // namespace fused_bear_loss
