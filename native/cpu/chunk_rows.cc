#include "native/cpu/chunk_rows.h"

#include <algorithm>
#include <limits>

namespace fused_bear_loss {
namespace {

template <class T>
T* data_from(std::vector<T>& column, std::int64_t first) {
  return column.empty() ? nullptr : column.data() + first;
}

template <class T>
const T* data_from(const std::vector<T>& column, std::int64_t first) {
  return column.empty() ? nullptr : column.data() + first;
}

} // namespace

ChunkRows::ChunkRows(const LinearProblem& call, const LossOutputs& outputs, std::int64_t most_rows)
    : call_(call), outputs_(outputs) {
  const auto rows = static_cast<std::size_t>(most_rows);
  rows_.reserve(rows);
  ascending_.reserve(rows);
  summaries_.resize(rows);
  targets_.resize(rows);
  if (call.token_weights != nullptr) token_weights_.resize(rows);
  if (call.penalty_weights != nullptr) penalty_weights_.resize(rows);
  if (call.grad_output_rows != nullptr) grad_output_rows_.resize(rows);
  if (call.allowed_bitmask != nullptr) {
    bitmask_.resize(rows * static_cast<std::size_t>(bitmask_words(call.vocab_size)));
  }
  const float* const wanted[] = {outputs.nll, outputs.log_sum_exp, outputs.threshold, outputs.margin, outputs.penalty};
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (wanted[i] != nullptr) columns_[i].resize(rows);
  }
  if (outputs.rank != nullptr) rank_.resize(rows);
}

void ChunkRows::begin(std::int64_t base) {
  rows_.clear();
  base_ = base;
}

bool ChunkRows::has_room(std::int64_t row) const {
  return rows_.size() < rows_.capacity() && row - base_ <= std::numeric_limits<std::int32_t>::max();
}

void ChunkRows::gather() {
  const auto gather_column = [&](const auto* from, auto& to) {
    if (from == nullptr) return;
    for (std::size_t i = 0; i < rows_.size(); ++i) to[i] = from[base_ + rows_[i]];
  };
  gather_column(call_.targets, targets_);
  gather_column(call_.token_weights, token_weights_);
  gather_column(call_.penalty_weights, penalty_weights_);
  gather_column(call_.grad_output_rows, grad_output_rows_);
  ascending_.resize(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) ascending_[i] = static_cast<std::int32_t>(i);
  std::sort(ascending_.begin(), ascending_.end(), [&](std::int32_t a, std::int32_t b) {
    return rows_[static_cast<std::size_t>(a)] < rows_[static_cast<std::size_t>(b)];
  });
  if (call_.allowed_bitmask == nullptr) return;
  const std::int64_t words = bitmask_words(call_.vocab_size);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::uint32_t* const from = call_.allowed_bitmask + (base_ + rows_[i]) * words;
    std::copy(from, from + words, bitmask_.begin() + static_cast<std::int64_t>(i) * words);
  }
}

LossProblem ChunkRows::problem(std::int64_t first, std::int64_t count) const {
  LossProblem rows = call_;
  rows.rows = count;
  rows.dtype = DType::kFloat32;
  rows.gradient = GradientMode::kNone;
  rows.ignore_index = -1; // of these rows none is ignored, though a position in a list may equal the call's index
  rows.targets = data_from(targets_, first);
  rows.token_weights = data_from(token_weights_, first);
  rows.penalty_weights = data_from(penalty_weights_, first);
  rows.grad_output_rows = data_from(grad_output_rows_, first);
  rows.allowed_offsets = nullptr;
  rows.allowed_tokens = nullptr;
  rows.allowed_bitmask = nullptr;
  return rows;
}

LossOutputs ChunkRows::outputs(std::int64_t first) {
  LossOutputs rows;
  rows.nll = data_from(columns_[0], first);
  rows.log_sum_exp = data_from(columns_[1], first);
  rows.threshold = data_from(columns_[2], first);
  rows.margin = data_from(columns_[3], first);
  rows.penalty = data_from(columns_[4], first);
  rows.rank = data_from(rank_, first);
  return rows;
}

void ChunkRows::scatter(LossSummary& summary) const {
  const LossProblem chunk = problem(0, count());
  float* const wanted[] = {outputs_.nll, outputs_.log_sum_exp, outputs_.threshold, outputs_.margin, outputs_.penalty};
  for_each_ascending([&](std::size_t place) {
    const std::int64_t row = base_ + rows_[place];
    for (std::size_t c = 0; c < kColumns; ++c) {
      if (wanted[c] != nullptr) wanted[c][row] = columns_[c][place];
    }
    if (outputs_.rank != nullptr) outputs_.rank[row] = rank_[place];
    if (outputs_.row_losses != nullptr) {
      const double loss = weighted_row_loss(chunk, static_cast<std::int64_t>(place), summaries_[place]);
      outputs_.row_losses[row] = static_cast<float>(loss);
    }
    if (summaries_[place].non_finite) summary.non_finite_rows.push_back(row);
  });
}

void ChunkRows::add_to(LossTotals& totals) const {
  const LossProblem chunk = problem(0, count());
  for_each_ascending(
      [&](std::size_t place) { totals.add(chunk, static_cast<std::int64_t>(place), summaries_[place]); });
}

} // namespace fused_bear_loss
