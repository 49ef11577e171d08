// What the caller of the linear form gave for each row and wants of it, of the rows of a chunk.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/linear_problem.h"
#include "native/cpu/loss_totals.h"

namespace fused_bear_loss {

class ChunkRows {
 public:
  // Throws std::bad_alloc; nothing below does.
  ChunkRows(const LinearProblem& call, const LossOutputs& outputs, std::int64_t most_rows);

  bool is_counted(std::int64_t row) const { return call_.targets[row] != call_.ignore_index; }

  // Begins a chunk with the rows from `base` on.
  void begin(std::int64_t base);
  // Whether there is room for the row, relative to the base so that 32 bits hold it whatever N is.
  bool has_room(std::int64_t row) const;
  void add(std::int64_t row) { rows_.push_back(static_cast<std::int32_t>(row - base_)); }
  // The rows that were added, in the order in which they are to be computed.
  std::int32_t* begin_of_rows() { return rows_.data(); }
  // Gathers what there is for each row, in that order.
  void gather();

  std::int64_t count() const { return static_cast<std::int64_t>(rows_.size()); }
  std::int64_t base() const { return base_; }
  // Places of the rows in ascending order of rows.
  const std::vector<std::int32_t>& ascending() const { return ascending_; }
  // Of the rows, relative to the base.
  const std::int32_t* positions() const { return rows_.data(); }

  // `count` rows of the chunk from `first` on as a problem over their logits. Without a bitmask.
  LossProblem problem(std::int64_t first, std::int64_t count) const;
  LossOutputs outputs(std::int64_t first);
  // Of all rows; null: none.
  const std::uint32_t* bitmask() const { return bitmask_.empty() ? nullptr : bitmask_.data(); }
  std::int32_t* targets() { return targets_.data(); }
  RowSummary* summaries() { return summaries_.data(); }

  // Brings what the chunk's rows came to where the caller wants it, in ascending order of rows.
  void scatter(LossSummary& summary) const;
  void add_to(LossTotals& totals) const;

 private:
  static constexpr std::size_t kColumns = 5;

  // Calls `use(place)` for every row, ascending.
  template <class Use>
  void for_each_ascending(const Use& use) const {
    for (const std::int32_t place : ascending_) use(static_cast<std::size_t>(place));
  }

  const LinearProblem& call_;
  const LossOutputs& outputs_;
  std::int64_t base_ = 0;
  std::vector<std::int32_t> rows_; // relative to base_
  std::vector<std::int32_t> ascending_;
  std::vector<RowSummary> summaries_;
  std::vector<std::int32_t> targets_;
  std::vector<float> token_weights_;
  std::vector<float> penalty_weights_;
  std::vector<float> grad_output_rows_;
  std::vector<std::uint32_t> bitmask_;
  std::vector<float> columns_[kColumns];
  std::vector<std::int32_t> rank_;
};

} // namespace fused_bear_loss
