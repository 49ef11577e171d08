// One row of a problem on the CPU: from the caller's arrays through the row kernel to the caller's outputs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "native/core/loss_problem.h"
#include "native/core/vocabulary_part.h"
#include "native/cpu/row_kernel.h"

namespace fused_bear_loss {

// What a row adds to the results of all rows.
struct RowSummary {
  double loss = 0;   // before token weight and reduction
  double weight = 1; // w of kReweight
  bool counted = false;
  bool pruned = false;
  bool top_ranked = false;
  bool non_finite = false;
  bool poisoned = false; // NaN or +infinity among the allowed logits, or none finite
  bool several_allowed = false;
};

// What the gradient of a row needs of its sweep.
struct RowRecord {
  RowSums sums;
  RowLoss loss;
  RowSummary summary;
};

// Belongs to one thread; holds its scratch memory.
class RowProcessor {
 public:
  // Takes all memory that a row can need; `longest_row` is the most logits that are allowed in one. Throws
  // std::bad_alloc. The functions below allocate nothing: what has been written stays valid. Where `merged` is given,
  // the logits are those of a vocabulary's part, and `merged` says what sweeps have found.
  RowProcessor(const LossProblem& problem, const MergedRows* merged, const LossOutputs& outputs,
               const RowKernel& kernel, bool stream, std::int64_t longest_row);

  // Sweeps the row, unless that has been done, and writes its statistics.
  void forward(std::int64_t row, RowRecord& record);

  // Writes the gradient of a row that forward() saw, now or by the end of the next call of forward() or finish();
  // `divisor` is that of the reduction.
  void gradient(std::int64_t row, const RowRecord& record, double divisor);

  // Ends what gradient() left to write, and makes it visible to other threads.
  void finish();

 private:
  void reserve_scratch(std::int64_t longest_row);
  void prepare(std::int64_t row);
  void sweep(std::int64_t row, RowSums& sums);
  void read_merged(std::int64_t row, RowSums& sums);
  void write_statistics(std::int64_t row, const RowRecord& record);
  void clear_statistics(std::int64_t row, float value);
  bool write_special_gradient(std::int64_t row, const RowSummary& summary);
  void write_poisoned_gradient(std::int64_t row);
  void write_poisoned_listed(std::int64_t row);
  void write_zero_gradient(std::int64_t row);
  void clear_dense_row(std::int64_t row);
  void scatter(std::int64_t row);
  void store(void* gradient, std::int64_t position, float value) const;
  bool may_be_masked(std::int64_t row) const;
  bool is_masked(std::int64_t row, std::int64_t position) const;

  GradientJob gradient_job(std::int64_t row, const RowRecord& record, double divisor);
  struct ThresholdToken {
    std::int64_t position; // -1: in another part
    bool is_target;
  };
  ThresholdToken threshold_token(std::int64_t row, const RowRecord& record) const;
  std::int64_t threshold_position(const RowRecord& record) const;
  char* gradient_row(std::int64_t row) const;
  // Where the kernel writes the gradient of a listed row: entry by entry of its list.
  void* listed_gradient(std::int64_t row);
  bool is_counted(std::int64_t row) const { return problem_.targets[row] != problem_.ignore_index; }
  bool keeps_exponentials(std::int64_t count) const;
  bool may_wait(std::int64_t count) const;
  bool is_recomputed(std::int64_t count) const;
  bool is_listed() const { return problem_.allowed_offsets != nullptr; }
  // Whether the gradient has the entries of the lists alone.
  bool is_compact() const { return problem_.gradient == GradientMode::kSparse; }
  double lambda(std::int64_t row) const;

  const LossProblem& problem_;
  const MergedRows* const merged_; // null: the rows are whole
  const LossOutputs& outputs_;
  const RowKernel& kernel_;
  const bool stream_;
  SweepOptions options_;
  const bool can_recompute_; // pending gradients from the logits
  RowView view_ = {};        // of prepared_row_
  std::int64_t prepared_row_ = -1;
  std::int64_t kept_row_ = -1; // whose exponentials are kept, at kept_
  float* kept_ = nullptr;
  // A gradient that is written while the next row is swept: its scaling waits for the memory, the sweep for arithmetic.
  std::optional<GradientJob> pending_;
  int exponentials_in_use_ = 0; // of the two buffers: the pending gradient has the other
  std::vector<float>& row_scratch_;
  std::vector<float>& gradient_scratch_;
  std::vector<float>& candidates_;
  std::vector<float> (&exponentials_)[2];
};

} // namespace fused_bear_loss
