// The linear form on the CPU: some rows of logits at a time, each from the products to the gradients (docs/linear.md).
#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/loss_rows.h"
#include "native/cpu/loss_totals.h"
#include "native/cpu/matrix_products.h"

namespace fused_bear_loss {
namespace {

// What the caller gave for each row, of the rows of a chunk.
class ChunkRows {
 public:
  explicit ChunkRows(const LinearProblem& call, const LossOutputs& outputs, std::int64_t most_rows)
      : call_(call), outputs_(outputs), summaries(static_cast<std::size_t>(most_rows)) {
    const auto rows = static_cast<std::size_t>(most_rows);
    rows_.reserve(rows);
    targets_.resize(rows);
    if (call.token_weights != nullptr) token_weights_.resize(rows);
    if (call.penalty_weights != nullptr) penalty_weights_.resize(rows);
    if (call.grad_output_rows != nullptr) grad_output_rows_.resize(rows);
    if (call.allowed_offsets != nullptr) {
      allowed_offsets_.resize(rows + 1);
      allowed_tokens_.resize(static_cast<std::size_t>(call.allowed_offsets[call.rows]));
    }
    if (call.allowed_bitmask != nullptr) bitmask_.resize(rows * static_cast<std::size_t>(words()));
    const float* const wanted[] = {outputs.nll, outputs.log_sum_exp, outputs.threshold, outputs.margin,
                                   outputs.penalty};
    for (std::size_t i = 0; i < kColumns; ++i) {
      if (wanted[i] != nullptr) columns_[i].resize(rows);
    }
    if (outputs.rank != nullptr) rank_.resize(rows);
  }

  // The next counted rows from `next` on, as many as there is room for; returns where the ones after them begin.
  std::int64_t take(std::int64_t next) {
    rows_.clear();
    base_ = next;
    for (; next < call_.rows && rows_.size() < rows_.capacity(); ++next) {
      // Positions are relative, so that 32 bits hold them whatever N is.
      if (next - base_ > std::numeric_limits<std::int32_t>::max()) break;
      if (call_.targets[next] != call_.ignore_index) rows_.push_back(static_cast<std::int32_t>(next - base_));
    }
    gather();
    return next;
  }

  std::int64_t count() const { return static_cast<std::int64_t>(rows_.size()); }
  std::int64_t base() const { return base_; }
  const std::int32_t* positions() const { return rows_.data(); }

  // The chunk's problem over its logits.
  LossProblem problem(float* logits, std::int64_t stride, GradientMode gradient) const {
    LossProblem chunk = call_;
    chunk.rows = count();
    chunk.row_stride = stride;
    chunk.dtype = DType::kFloat32;
    chunk.logits = logits;
    chunk.gradient = gradient;
    chunk.targets = targets_.data();
    chunk.token_weights = call_.token_weights == nullptr ? nullptr : token_weights_.data();
    chunk.penalty_weights = call_.penalty_weights == nullptr ? nullptr : penalty_weights_.data();
    chunk.grad_output_rows = call_.grad_output_rows == nullptr ? nullptr : grad_output_rows_.data();
    if (call_.allowed_offsets != nullptr) {
      chunk.allowed_offsets = allowed_offsets_.data();
      chunk.allowed_tokens = allowed_tokens_.data();
    }
    chunk.allowed_bitmask = call_.allowed_bitmask == nullptr ? nullptr : bitmask_.data();
    return chunk;
  }

  LossOutputs outputs(float* gradient, std::int64_t stride) {
    LossOutputs chunk;
    chunk.grad_logits = gradient;
    chunk.grad_row_stride = stride;
    const auto data = [](auto& memory) { return memory.empty() ? nullptr : memory.data(); };
    chunk.nll = data(columns_[0]);
    chunk.log_sum_exp = data(columns_[1]);
    chunk.threshold = data(columns_[2]);
    chunk.margin = data(columns_[3]);
    chunk.penalty = data(columns_[4]);
    chunk.rank = data(rank_);
    return chunk;
  }

  // Brings what the chunk's rows came to where the caller wants it.
  void scatter(const LossProblem& chunk, LossSummary& summary) const {
    float* const wanted[] = {outputs_.nll, outputs_.log_sum_exp, outputs_.threshold, outputs_.margin, outputs_.penalty};
    for (std::int64_t i = 0; i < count(); ++i) {
      const auto place = static_cast<std::size_t>(i);
      const std::int64_t row = base_ + rows_[place];
      for (std::size_t c = 0; c < kColumns; ++c) {
        if (wanted[c] != nullptr) wanted[c][row] = columns_[c][place];
      }
      if (outputs_.rank != nullptr) outputs_.rank[row] = rank_[place];
      if (outputs_.row_losses != nullptr) {
        outputs_.row_losses[row] = static_cast<float>(weighted_row_loss(chunk, i, summaries[place]));
      }
      if (summaries[place].non_finite) summary.non_finite_rows.push_back(row);
    }
  }

  void add_to(LossTotals& totals, const LossProblem& chunk) const {
    for (std::int64_t i = 0; i < count(); ++i) totals.add(chunk, i, summaries[static_cast<std::size_t>(i)]);
  }

 private:
  static constexpr std::size_t kColumns = 5;

  std::int64_t words() const { return bitmask_words(call_.vocab_size); }

  template <class T>
  void gather_column(const T* from, std::vector<T>& to) const {
    if (from == nullptr) return;
    for (std::size_t i = 0; i < rows_.size(); ++i) to[i] = from[base_ + rows_[i]];
  }

  void gather() {
    gather_column(call_.targets, targets_);
    gather_column(call_.token_weights, token_weights_);
    gather_column(call_.penalty_weights, penalty_weights_);
    gather_column(call_.grad_output_rows, grad_output_rows_);
    gather_lists();
    if (call_.allowed_bitmask == nullptr) return;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::uint32_t* const from = call_.allowed_bitmask + (base_ + rows_[i]) * words();
      std::copy(from, from + words(), bitmask_.begin() + static_cast<std::int64_t>(i) * words());
    }
  }

  void gather_lists() {
    if (call_.allowed_offsets == nullptr) return;
    std::int32_t end = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::int32_t* const list = call_.allowed_offsets + base_ + rows_[i];
      allowed_offsets_[i] = end;
      std::copy(call_.allowed_tokens + list[0], call_.allowed_tokens + list[1], allowed_tokens_.begin() + end);
      end += list[1] - list[0];
    }
    allowed_offsets_[rows_.size()] = end;
  }

  const LinearProblem& call_;
  const LossOutputs& outputs_;
  std::int64_t base_ = 0;
  std::vector<std::int32_t> rows_; // relative to base_
  std::vector<std::int32_t> targets_;
  std::vector<float> token_weights_;
  std::vector<float> penalty_weights_;
  std::vector<float> grad_output_rows_;
  std::vector<std::int32_t> allowed_offsets_;
  std::vector<std::int32_t> allowed_tokens_;
  std::vector<std::uint32_t> bitmask_;
  std::vector<float> columns_[kColumns];
  std::vector<std::int32_t> rank_;

 public:
  std::vector<RowSummary> summaries;
};

char* row_of(void* matrix, DType dtype, std::int64_t row, std::int64_t columns) {
  return static_cast<char*>(matrix) + row * columns * element_size(dtype);
}

class LinearLoss {
 public:
  LinearLoss(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort)
      : call_(call),
        outputs_(outputs),
        abort_(abort),
        threads_{call.threads, abort},
        stride_(linear_row_floats(call.vocab_size)),
        counted_(call.rows - std::count(call.targets, call.targets + call.rows, call.ignore_index)),
        rows_per_chunk_(chunk_size()),
        chunk_(call, outputs.rows, rows_per_chunk_),
        packed_memory_(static_cast<std::size_t>(packed_floats(rows_per_chunk_, call.hidden_size)) + kLineFloats),
        packed_(line_start(packed_memory_)) {
    reserve_product_scratch(rows_per_chunk_, call.hidden_size, call.threads);
  }

  // Throws std::bad_alloc before anything is written.
  ComputeStatus run(LossSummary& summary) {
    summary.non_finite_rows.reserve(static_cast<std::size_t>(call_.rows));
    double divisor = reduction_divisor(call_, counted_, 0);
    ComputeStatus status = ComputeStatus::kOk;
    if (call_.reduction == Reduction::kWeightedMean) status = sum_weights(divisor);
    if (status == ComputeStatus::kOk) status = compute_chunks(divisor, summary);
    return status;
  }

 private:
  // Whole panels of hidden states, where there is room for more than one.
  std::int64_t chunk_size() const {
    const std::int64_t room = std::max<std::int64_t>(1, call_.workspace_floats / stride_);
    const std::int64_t panel = matrix_kernel().panel_columns;
    const std::int64_t most = room < panel ? room : room / panel * panel;
    // As many chunks as needed, each of about the same size.
    const std::int64_t chunks = std::max<std::int64_t>(1, (counted_ + most - 1) / most);
    const std::int64_t even = std::max<std::int64_t>(1, (counted_ + chunks - 1) / chunks);
    return room < panel ? even : std::min(most, (even + panel - 1) / panel * panel);
  }

  MatrixRows weight() const { return {call_.weight, call_.operand_dtype, call_.hidden_size, nullptr}; }
  MatrixRows hidden() const {
    const auto* const base =
        static_cast<const char*>(call_.hidden) + chunk_.base() * call_.hidden_size * element_size(call_.operand_dtype);
    return {base, call_.operand_dtype, call_.hidden_size, chunk_.positions()};
  }

  ComputeStatus compute_logits() {
    return multiply_to_logits(hidden(), chunk_.count(), weight(), call_.vocab_size, call_.bias, packed_,
                              call_.workspace, stride_, threads_);
  }

  // Calls `use()` for every chunk, whose logits are there.
  template <class Use>
  ComputeStatus for_each_chunk(const Use& use) {
    for (std::int64_t next = 0; next < call_.rows;) {
      next = chunk_.take(next);
      if (chunk_.count() == 0) continue;
      ComputeStatus status = compute_logits();
      if (status == ComputeStatus::kOk) status = use();
      if (status != ComputeStatus::kOk) return status;
    }
    return ComputeStatus::kOk;
  }

  // The divisor of the weighted mean is a sum over all rows, which every gradient needs.
  ComputeStatus sum_weights(double& divisor) {
    LossTotals totals;
    const ComputeStatus status = for_each_chunk([&] {
      const LossProblem problem = chunk_.problem(call_.workspace, stride_, GradientMode::kNone);
      const ComputeStatus swept = compute_some_rows(problem, {}, 1, chunk_.summaries, abort_);
      chunk_.add_to(totals, problem);
      return swept;
    });
    divisor = reduction_divisor(call_, 0, totals.weights);
    return status;
  }

  ComputeStatus compute_chunks(double divisor, LossSummary& summary) {
    LossTotals totals;
    bool first = !call_.accumulate;
    const ComputeStatus status = for_each_chunk([&] {
      const bool differentiates = call_.gradient != GradientMode::kNone;
      const GradientMode mode = differentiates ? GradientMode::kInPlace : GradientMode::kNone;
      const LossProblem problem = chunk_.problem(call_.workspace, stride_, mode);
      const LossOutputs rows = chunk_.outputs(differentiates ? call_.workspace : nullptr, stride_);
      ComputeStatus computed = compute_some_rows(problem, rows, divisor, chunk_.summaries, abort_);
      if (computed != ComputeStatus::kOk) return computed;
      chunk_.scatter(problem, summary);
      chunk_.add_to(totals, problem);
      if (differentiates) computed = compute_gradients(first);
      first = false;
      return computed;
    });
    if (status != ComputeStatus::kOk) return status;
    if (first && call_.gradient != GradientMode::kNone) clear_gradients();
    clear_ignored_rows();
    summary.loss = totals.reduced_loss(call_.reduction, divisor);
    summary.counted_rows = totals.counted_rows;
    summary.pruned_rows = totals.pruned_rows;
    summary.top_ranked_rows = totals.top_ranked_rows;
    return ComputeStatus::kOk;
  }

  ComputeStatus compute_gradients(bool first) {
    ComputeStatus status = ComputeStatus::kOk;
    if (outputs_.grad_hidden != nullptr) {
      const HiddenGradient gradient = {
          row_of(outputs_.grad_hidden, call_.operand_dtype, chunk_.base(), call_.hidden_size), call_.operand_dtype,
          call_.hidden_size, chunk_.positions(), call_.accumulate};
      status =
          multiply_to_hidden(call_.workspace, stride_, chunk_.count(), weight(), call_.vocab_size, gradient, threads_);
    }
    if (status != ComputeStatus::kOk || (outputs_.grad_weight == nullptr && outputs_.grad_bias == nullptr)) {
      return status;
    }
    const WeightGradient gradient = {outputs_.grad_weight, outputs_.grad_bias, first};
    return multiply_to_weight(call_.workspace, stride_, hidden(), chunk_.count(), call_.vocab_size, packed_, gradient,
                              threads_);
  }

  // Rows that no chunk has: no logits of theirs are computed.
  void clear_ignored_rows() const {
    const LossOutputs& rows = outputs_.rows;
    for (std::int64_t row = 0; row < call_.rows; ++row) {
      if (call_.targets[row] != call_.ignore_index) continue;
      for (float* column : {rows.row_losses, rows.nll, rows.log_sum_exp, rows.threshold, rows.margin, rows.penalty}) {
        if (column != nullptr) column[row] = 0;
      }
      if (rows.rank != nullptr) rows.rank[row] = -1;
      if (outputs_.grad_hidden == nullptr || call_.accumulate) continue;
      std::memset(row_of(outputs_.grad_hidden, call_.operand_dtype, row, call_.hidden_size), 0,
                  static_cast<std::size_t>(call_.hidden_size * element_size(call_.operand_dtype)));
    }
  }

  // Where no row counts.
  void clear_gradients() const {
    if (outputs_.grad_weight != nullptr) {
      std::fill(outputs_.grad_weight, outputs_.grad_weight + call_.vocab_size * call_.hidden_size, 0.0F);
    }
    if (outputs_.grad_bias != nullptr) std::fill(outputs_.grad_bias, outputs_.grad_bias + call_.vocab_size, 0.0F);
  }

  const LinearProblem& call_;
  const LinearOutputs& outputs_;
  const std::atomic<std::int32_t>* abort_;
  const ProductThreads threads_;
  const std::int64_t stride_;
  const std::int64_t counted_;
  const std::int64_t rows_per_chunk_;
  ChunkRows chunk_;
  std::vector<float> packed_memory_;
  float* const packed_;
};

} // namespace

ComputeStatus compute_linear(const LinearProblem& problem, const LinearOutputs& outputs, LossSummary& summary,
                             const std::atomic<std::int32_t>* abort) {
  summary = LossSummary{};
  try {
    return LinearLoss(problem, outputs, abort).run(summary);
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
}

} // namespace fused_bear_loss
