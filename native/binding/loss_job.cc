#include "native/binding/loss_job.h"

#include <algorithm>
#include <cstring>

#include "native/core/dtype.h"

namespace fused_bear_loss {
namespace {

constexpr std::size_t kAlignment = 64; // a cache line

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
                 std::int64_t allowed_token_count)
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

  allocate_logits();
  copy_logits(static_cast<const char*>(problem.logits), problem.row_stride);
  problem_.logits = logits_;
  problem_.row_stride = problem.vocab_size;
  if (problem.gradient == GradientMode::kOutOfPlace) problem_.gradient = GradientMode::kInPlace;
  if (problem.gradient != GradientMode::kNone) {
    outputs_.grad_logits = logits_;
    outputs_.grad_row_stride = problem_.row_stride;
    outputs_.grad_is_new = true; // the caller's is written by copy_outputs
  }
}

ComputeStatus LossJob::run(const std::atomic<std::int32_t>* abort) {
  if (abort != nullptr && abort->load(std::memory_order_relaxed) != 0) return ComputeStatus::kAborted;
  return backend_.compute(problem_, outputs_, summary_, abort);
}

void LossJob::copy_outputs(const LossOutputs& destination) const {
  if (destination.grad_logits != nullptr) {
    copy_gradient(static_cast<char*>(destination.grad_logits), destination.grad_row_stride);
  }
  copy_output(row_losses_, destination.row_losses);
  copy_output(nll_, destination.nll);
  copy_output(log_sum_exp_, destination.log_sum_exp);
  copy_output(threshold_, destination.threshold);
  copy_output(margin_, destination.margin);
  copy_output(penalty_, destination.penalty);
  copy_output(rank_, destination.rank);
}

// Then the other logits need no copy: a catalogue's tries allow a few tokens of a large vocabulary.
bool LossJob::reads_listed_logits_only() const {
  return problem_.allowed_offsets != nullptr &&
         (problem_.gradient == GradientMode::kNone || problem_.gradient == GradientMode::kInPlaceSparse);
}

// Not a vector, which would write every element before the copy does.
void LossJob::allocate_logits() {
  const std::int64_t bytes = problem_.rows * problem_.vocab_size * element_size(problem_.dtype);
  logits_memory_.reset(new char[static_cast<std::size_t>(bytes) + kAlignment]);
  const auto address = reinterpret_cast<std::uintptr_t>(logits_memory_.get());
  logits_ = logits_memory_.get() + (kAlignment - address % kAlignment);
}

char* LossJob::own_row(std::int64_t row) const {
  return logits_ + row * problem_.vocab_size * element_size(problem_.dtype);
}

void LossJob::copy_listed(std::int64_t row, const char* source, char* destination) const {
  const auto size = static_cast<std::size_t>(element_size(problem_.dtype));
  for (std::int32_t i = problem_.allowed_offsets[row]; i < problem_.allowed_offsets[row + 1]; ++i) {
    const std::size_t position = static_cast<std::size_t>(problem_.allowed_tokens[i]) * size;
    std::memcpy(destination + position, source + position, size);
  }
}

void LossJob::copy_logits(const char* source, std::int64_t stride) {
  const std::int64_t size = element_size(problem_.dtype);
  for (std::int64_t row = 0; row < problem_.rows; ++row) {
    const char* from = source + row * stride * size;
    if (reads_listed_logits_only()) {
      copy_listed(row, from, own_row(row));
    } else {
      std::memcpy(own_row(row), from, static_cast<std::size_t>(problem_.vocab_size * size));
    }
  }
}

void LossJob::copy_gradient(char* destination, std::int64_t stride) const {
  const std::int64_t size = element_size(problem_.dtype);
  for (std::int64_t row = 0; row < problem_.rows; ++row) {
    char* to = destination + row * stride * size;
    if (problem_.gradient == GradientMode::kInPlaceSparse) {
      copy_listed(row, own_row(row), to); // the entries in between are not ours to write
    } else {
      std::memcpy(to, own_row(row), static_cast<std::size_t>(problem_.vocab_size * size));
    }
  }
}

} // namespace fused_bear_loss
