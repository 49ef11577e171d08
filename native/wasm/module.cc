// The functions that the WebAssembly module exports. The module is one block of rows at a time: lib/wasm copies a
// block's arrays into the module's memory, calls, and copies the results out, so that the memory does not grow with the
// call. Rows lie packed, and the logits of a constrained row are those of its list only. The module keeps nothing from
// one call to the next but memory that is used again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/core/option_names.h"
#include "native/core/top_tokens_problem.h"
#include "native/core/validate_problem.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/kernel_builds.h"
#include "native/cpu/loss_totals.h"
#include "native/cpu/row_processor.h"
#include "native/cpu/row_selection.h"
#include "native/cpu/tuning.h"
#include "native/wasm/module_call.h"

namespace fused_bear_loss {
namespace {

// The kernels here know float32 only (FBL_FLOAT32_ONLY), which is a fifth of their code; widening changes no number.
template <class Half>
void widen(const void* from, std::int64_t count, float* to) {
  const auto* const halves = static_cast<const Half*>(from);
  for (std::int64_t i = 0; i < count; ++i) to[i] = to_float(halves[i]);
}

template <class Half>
void narrow(const float* from, std::int64_t count, void* to) {
  auto* const halves = static_cast<Half*>(to);
  for (std::int64_t i = 0; i < count; ++i) from_float(from[i], halves[i]);
}

// The logits in float32: in place, or in `wide`.
const void* widened(const LogitRows& rows, std::int64_t count, float* wide) {
  if (rows.dtype == DType::kFloat32) return rows.logits;
  rows.dtype == DType::kFloat16 ? widen<Float16>(rows.logits, count, wide) : widen<BFloat16>(rows.logits, count, wide);
  return wide;
}

void narrow_gradient(DType dtype, const float* gradient, std::int64_t count, void* out) {
  if (dtype == DType::kFloat16) narrow<Float16>(gradient, count, out);
  if (dtype == DType::kBFloat16) narrow<BFloat16>(gradient, count, out);
}

// Sums that a call takes from block to block, as JavaScript keeps them.
struct BlockTotals {
  double loss;
  double weights;
  double counted_rows;
  double pruned_rows;
  double top_ranked_rows;
  double non_finite_rows; // of this block; their numbers are in an array of their own

  LossTotals start() const {
    LossTotals totals;
    totals.loss = loss;
    totals.weights = weights;
    return totals;
  }
  void add(const LossTotals& totals) {
    loss = totals.loss;
    weights = totals.weights;
    counted_rows += static_cast<double>(totals.counted_rows);
    pruned_rows += static_cast<double>(totals.pruned_rows);
    top_ranked_rows += static_cast<double>(totals.top_ranked_rows);
  }
};

// The memory that blocks are copied to. Grows, and never shrinks: JavaScript drops a module that has become too large.
struct BlockMemory {
  char* start = nullptr;
  std::size_t bytes = 0;

  bool grow(std::size_t wanted) {
    if (wanted <= bytes) return true;
    std::free(start);
    start = static_cast<char*>(std::malloc(wanted));
    bytes = start == nullptr ? 0 : wanted;
    return start != nullptr;
  }
};

BlockMemory& block_memory() {
  static BlockMemory memory;
  return memory;
}

// What the scratch memory of a row of the loss, or of topTokens, can take at most; old and new together where it grows.
std::size_t most_scratch(double longest_row, bool is_masked, double width) {
  constexpr double kSlack = 1 << 16;
  // Two rows of exponentials, one where it is long, and one of the logits of a bitmask.
  const int rows = (longest_row < tuning().long_row ? 2 : 1) + (is_masked ? 1 : 0);
  const double row_arrays = rows * longest_row * sizeof(float);
  const double candidates = 3 * width * (sizeof(float) + sizeof(std::uint64_t));
  const double bytes = 2 * (row_arrays + candidates + kSlack);
  return bytes < 4294967295.0 ? static_cast<std::size_t>(bytes) : std::numeric_limits<std::size_t>::max();
}

struct NameTable {
  const char* const* names;
  std::uint32_t count;
};

template <std::size_t kCount>
constexpr NameTable table_of(const char* const (&names)[kCount]) {
  return {names, kCount};
}

struct NumberNames {
  const char* names[kNumberCount] = {};
};

constexpr NumberNames all_number_names() {
  NumberNames all;
  std::size_t count = 0;
  for (const char* name : kNumberFieldNames) all.names[count++] = name;
  for (const NumberOption& option : kNumberOptions) all.names[count++] = option.name;
  return all;
}
constexpr NumberNames kNumberNames = all_number_names();

// In the order of NAME_TABLES in lib/wasm/names.ts.
constexpr NameTable kTables[] = {table_of(kDTypeNames),           table_of(kPenaltyNames),
                                 table_of(kReductionNames),       table_of(kThresholdGradientNames),
                                 table_of(kGradientModeNames),    table_of(kDeviceErrorNames),
                                 table_of(kFaultNames),           table_of(kNumberNames.names),
                                 table_of(kArrayFieldNames),      table_of(kSummaryFieldNames),
                                 table_of(kTopTokensNumberNames), table_of(kLinearNumberNames),
                                 table_of(kLinearArrayNames)};

} // namespace

const RowKernel& row_kernel() { return baseline::row_kernel; }
const Tuning& tuning() { return kDefaultTuning; }
const TopTokensKernel& top_tokens_kernel() { return baseline::top_tokens_kernel; }
const MatrixKernel& matrix_kernel() { return baseline::matrix_kernel; }

// Memory for a block, and for what its rows need beside it: until the next reservation, no function below asks for
// more. Null where it cannot be had.
FBL_EXPORT(reserve) void* reserve(double bytes, double longest_row, std::int32_t is_masked, double width) {
  if (!(bytes < 4294967295.0) || !block_memory().grow(static_cast<std::size_t>(bytes))) return nullptr;
  // Volatile, as a compiler leaves out memory that nobody uses.
  void* volatile scratch =
      std::malloc(most_scratch(longest_row, is_masked != 0, width < longest_row ? width : longest_row));
  if (scratch == nullptr) return nullptr;
  std::free(scratch);
  return block_memory().start;
}

// Looks at targets and constraint of a block whose offsets are sound. Adds the rows that are not ignored to report[3].
FBL_EXPORT(find_fault) void find_loss_fault(const double* numbers, void* const* arrays, double tokens, double* report) {
  const LossProblem problem = read_problem(numbers, arrays);
  write_fault(find_fault(problem, static_cast<std::int64_t>(tokens)), report);
  for (std::int64_t row = 0; row < problem.rows; ++row) report[3] += problem.targets[row] != problem.ignore_index;
}

// The same for the constraint of topTokens.
FBL_EXPORT(find_constraint_fault)
void find_rows_fault(double rows, double vocab_size, const std::int32_t* offsets, const std::int32_t* tokens,
                     double* report) {
  LogitRows problem;
  problem.rows = static_cast<std::int64_t>(rows);
  problem.vocab_size = static_cast<std::int64_t>(vocab_size);
  problem.allowed_offsets = offsets;
  problem.allowed_tokens = tokens;
  write_fault(find_constraint_fault(problem, offsets[problem.rows]), report);
}

FBL_EXPORT(divisor) double divisor(const double* numbers, double counted_rows, double weights) {
  LossProblem problem;
  read_options(Numbers(numbers), problem);
  return reduction_divisor(problem, static_cast<std::int64_t>(counted_rows), weights);
}

// Statistics of a block's rows, their sums, and over the logits the gradient, if the numbers ask for it. Row i has the
// logits from row_offsets[i] to row_offsets[i + 1]; without offsets, every row has vocab_size of them. The longest row
// is that of the call: its first block takes all scratch memory, before anything is written.
FBL_EXPORT(compute_rows)
void compute_rows(const double* numbers, void* const* arrays, const std::int32_t* row_offsets, double longest_row,
                  float* wide, double divisor, BlockTotals* sums, std::int32_t* non_finite_rows) {
  LossProblem problem = read_problem(numbers, arrays);
  const DType dtype = problem.dtype;
  void* const narrow_logits = const_cast<void*>(problem.logits);
  const std::int64_t count = row_offsets == nullptr ? problem.rows * problem.vocab_size : row_offsets[problem.rows];
  const auto* const logits = static_cast<const float*>(widened(problem, count, wide));
  const auto row_start = [&](std::int64_t row) {
    return row_offsets == nullptr ? row * problem.vocab_size : row_offsets[row];
  };
  problem.dtype = DType::kFloat32;
  LossOutputs outputs = read_outputs(arrays);
  LossTotals totals = sums->start();
  sums->non_finite_rows = 0;
  {
    RowProcessor processor(problem, nullptr, outputs, row_kernel(), false, static_cast<std::int64_t>(longest_row));
    for (std::int64_t row = 0; row < problem.rows; ++row) {
      if (row_offsets != nullptr) {
        // The row is a problem of its own: its allowed logits are all there are.
        problem.vocab_size = row_offsets[row + 1] - row_offsets[row];
      }
      // With strides of 0 every row begins at the pointers.
      problem.row_stride = 0;
      problem.logits = logits + row_start(row);
      outputs.grad_logits = const_cast<float*>(logits) + row_start(row);
      outputs.grad_row_stride = 0;
      RowRecord record;
      processor.forward(row, record);
      totals.add(problem, row, record.summary);
      if (outputs.row_losses != nullptr) {
        outputs.row_losses[row] = static_cast<float>(weighted_row_loss(problem, row, record.summary));
      }
      if (record.summary.non_finite) {
        non_finite_rows[static_cast<std::int64_t>(sums->non_finite_rows++)] = static_cast<std::int32_t>(row);
      }
      if (problem.gradient != GradientMode::kNone) processor.gradient(row, record, divisor);
    }
    processor.finish();
  }
  sums->add(totals);
  if (problem.gradient != GradientMode::kNone) narrow_gradient(dtype, logits, count, narrow_logits);
}

// A block of topTokens. With offsets, the logits are those of the lists. The longest row is that of the call, as above.
FBL_EXPORT(top_tokens)
void top_tokens(const double* numbers, const void* logits, float* wide, const std::int32_t* offsets,
                const std::int32_t* tokens, const std::uint32_t* bitmask, double longest_row, std::int32_t* out_tokens,
                float* log_probabilities, float* log_sum_exp) {
  TopTokensProblem problem;
  static_cast<LogitRows&>(problem) = read_top_tokens_rows(numbers);
  problem.listed_logits = offsets != nullptr;
  problem.logits = logits;
  problem.allowed_offsets = offsets;
  problem.allowed_tokens = tokens;
  problem.allowed_bitmask = bitmask;
  problem.logits =
      widened(problem, offsets == nullptr ? problem.rows * problem.vocab_size : offsets[problem.rows], wide);
  problem.dtype = DType::kFloat32;
  const auto longest = static_cast<std::int64_t>(longest_row);
  thread_selection_scratch().reserve_selection(std::min(problem.beam_width, longest));
  compute_top_tokens(problem, {out_tokens, log_probabilities, log_sum_exp});
}

// A table of names, which are C strings; null past the last.
FBL_EXPORT(name_table) const NameTable* name_table(std::uint32_t index) {
  return index < sizeof(kTables) / sizeof(*kTables) ? &kTables[index] : nullptr;
}

} // namespace fused_bear_loss
