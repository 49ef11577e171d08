// All rows of a problem on the CPU: shares them among threads and sums what they found in row order.
#include <algorithm>
#include <atomic>
#include <new>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/cpu/allowed_logits.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/loss_rows.h"
#include "native/cpu/loss_totals.h"
#include "native/cpu/row_loop.h"
#include "native/cpu/row_processor.h"
#include "native/cpu/tuning.h"

namespace fused_bear_loss {
namespace {

bool gradient_is_streamed(const LossProblem& problem) {
  return problem.gradient == GradientMode::kOutOfPlace && problem.dtype == DType::kFloat32 &&
         !is_constrained(problem) &&
         problem.rows * problem.vocab_size * element_size(problem.dtype) > tuning().streamed_gradient_bytes;
}

std::int64_t logits_to_read(const LossProblem& problem) {
  if (problem.allowed_offsets != nullptr) {
    // A listed logit costs a gather; a dense gradient's zeros cost a fraction of a logit.
    const bool is_dense = problem.gradient == GradientMode::kOutOfPlace || problem.gradient == GradientMode::kInPlace;
    const std::int64_t zeros = is_dense ? problem.rows * problem.vocab_size / 8 : 0;
    return std::int64_t{problem.allowed_offsets[problem.rows]} * 4 + zeros;
  }
  return problem.rows * problem.vocab_size;
}

// A loop over the rows of one problem, in which each thread has a processor of its own.
struct LossLoop {
  const LossProblem& problem;
  const MergedRows* merged;
  const LossOutputs& outputs;
  const std::atomic<std::int32_t>* abort;
  const bool stream = gradient_is_streamed(problem);
  const std::int64_t longest = longest_row(problem);

  // Finishes what a thread began when it ends, however it ends.
  struct Worker {
    RowProcessor processor;
    ~Worker() { processor.finish(); }
  };

  // Calls `each_row(processor, row)` for every row. It must not throw.
  template <class EachRow>
  ComputeStatus run(const EachRow& each_row) const {
    return run_rows({problem.rows, logits_to_read(problem), problem.threads, abort}, [&] {
      return [worker = Worker{RowProcessor(problem, merged, outputs, row_kernel(), stream, longest)},
              &each_row](std::int64_t row) mutable { each_row(worker.processor, row); };
    });
  }
};

// What rows whose order threads chose add up to in their own.
LossTotals totals_of(const LossProblem& problem, const std::vector<RowSummary>& rows) {
  LossTotals totals;
  for (std::int64_t row = 0; row < problem.rows; ++row) totals.add(problem, row, rows[static_cast<std::size_t>(row)]);
  return totals;
}

void summarize(const LossProblem& problem, const std::vector<RowSummary>& rows, double divisor, float* row_losses,
               LossSummary& summary) {
  totals_of(problem, rows).summarize(problem.reduction, divisor, summary);
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const RowSummary& each = rows[static_cast<std::size_t>(row)];
    if (row_losses != nullptr) row_losses[row] = static_cast<float>(weighted_row_loss(problem, row, each));
    if (each.non_finite) summary.non_finite_rows.push_back(row);
  }
}

// Sweep and gradient of a row together, while it is in the cache.
ComputeStatus compute_fused(const LossProblem& problem, const LossLoop& loop, RowSummary* rows, double divisor) {
  return loop.run([&](RowProcessor& processor, std::int64_t row) {
    RowRecord record;
    processor.forward(row, record);
    rows[row] = record.summary;
    if (problem.gradient != GradientMode::kNone) processor.gradient(row, record, divisor);
  });
}

// All sweeps first, as the divisor of every gradient is a sum over rows.
ComputeStatus compute_weighted(const LossProblem& problem, const LossLoop& loop, std::vector<RowSummary>& rows,
                               double& divisor) {
  std::vector<RowRecord> records(static_cast<std::size_t>(problem.gradient == GradientMode::kNone ? 0 : problem.rows));
  const ComputeStatus status = loop.run([&](RowProcessor& processor, std::int64_t row) {
    RowRecord record;
    processor.forward(row, record);
    rows[static_cast<std::size_t>(row)] = record.summary;
    if (!records.empty()) records[static_cast<std::size_t>(row)] = record;
  });
  divisor = reduction_divisor(problem, 0, totals_of(problem, rows).weights);
  if (status != ComputeStatus::kOk || records.empty()) return status;
  return loop.run([&](RowProcessor& processor, std::int64_t row) {
    processor.gradient(row, records[static_cast<std::size_t>(row)], divisor);
  });
}

// `merged` as RowProcessor takes it.
ComputeStatus compute_rows(const LossProblem& problem, const MergedRows* merged, const LossOutputs& outputs,
                           LossSummary& summary, const std::atomic<std::int32_t>* abort) {
  summary = LossSummary{};
  if (problem.rows == 0) return ComputeStatus::kOk;
  try {
    // All memory that depends on the number of rows, before any of them is written.
    std::vector<RowSummary> rows(static_cast<std::size_t>(problem.rows));
    summary.non_finite_rows.reserve(static_cast<std::size_t>(problem.rows));
    const LossLoop loop{problem, merged, outputs, abort};
    double divisor = known_divisor(problem);
    const ComputeStatus status = problem.reduction == Reduction::kWeightedMean
                                     ? compute_weighted(problem, loop, rows, divisor)
                                     : compute_fused(problem, loop, rows.data(), divisor);
    if (status == ComputeStatus::kOk) summarize(problem, rows, divisor, outputs.row_losses, summary);
    return status;
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
}

class CpuBackend final : public Backend {
 public:
  ComputeStatus compute(const LossProblem& problem, const LossOutputs& outputs, LossSummary& summary,
                        const std::atomic<std::int32_t>* abort) const override {
    return compute_rows(problem, nullptr, outputs, summary, abort);
  }
};

} // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

ComputeStatus compute_some_rows(const LossProblem& problem, const LossOutputs& outputs, double divisor,
                                RowSummary* rows, const std::atomic<std::int32_t>* abort) {
  return compute_fused(problem, LossLoop{problem, nullptr, outputs, abort}, rows, divisor);
}

ComputeStatus compute_part_gradient(const LossProblem& problem, const MergedRows& merged, const LossOutputs& outputs,
                                    LossSummary& summary) {
  return compute_rows(problem, &merged, outputs, summary, nullptr);
}

} // namespace fused_bear_loss
