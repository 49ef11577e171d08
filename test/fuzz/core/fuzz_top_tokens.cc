// The fuzz target of topTokens: each case by every build of the kernels that this processor can run, compared with a
// full sort; then by another way to the same results, compared bit for bit. docs/robustness.md says more.
#include <algorithm>
#include <functional>
#include <memory>

#include "native/core/backend.h"
#include "native/core/validate_problem.h"
#include "test/fuzz/core/check.h"
#include "test/fuzz/core/expected_fault.h"
#include "test/fuzz/core/kernel_choice.h"
#include "test/fuzz/core/mutate.h"
#include "test/fuzz/core/top_tokens_case.h"

namespace fused_bear_loss::fuzz {
namespace {

const TopTokensCase* current_case = nullptr;

enum Way { kElsewhere, kThreads, kOtherLayout, kKernel, kWays };
constexpr const char* kWayNames[] = {"in other memory", "by threads", "in the other layout", "the kernel alone",
                                     "as it is"};

// The logits of the listed tokens one after the other.
Elements place_listed(const RowsCase& rows, std::int64_t shift) {
  Elements placed(rows.shape.dtype, shift, rows.token_count());
  for (std::int64_t row = 0; row < rows.shape.rows; ++row) {
    const std::int64_t begin = rows.allowed_offsets[static_cast<std::size_t>(row)];
    const std::int64_t end = rows.allowed_offsets[static_cast<std::size_t>(row) + 1];
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = rows.position(row, rows.allowed_tokens[static_cast<std::size_t>(i)]);
      placed.set_bits(i, rows.logits[static_cast<std::size_t>(at)]);
    }
  }
  return placed;
}

// One call, and what it wrote; arrays are exactly as long as they have to be.
class Call {
 public:
  Call(const TopTokensCase& top_case, Way way) {
    const RowsCase& rows = top_case.rows;
    const bool elsewhere = way == kElsewhere;
    const std::int64_t shift = elsewhere ? (rows.shift + 1 + top_case.variant / 16) % 16 : rows.shift;
    const bool listed = rows.is_listed() && top_case.listed_logits != (way == kOtherLayout);
    static_cast<LogitRows&>(problem_) = rows.shape;
    problem_.row_stride = listed ? 0 : rows.shape.row_stride + (elsewhere ? 3 : 0);
    problem_.listed_logits = listed;
    problem_.threads = way == kThreads ? 2 + top_case.variant / 128 : 1;
    logits_ =
        std::make_unique<Elements>(listed ? place_listed(rows, shift) : place_rows(rows, shift, problem_.row_stride));
    offsets_ = exact_copy(rows.allowed_offsets);
    list_ = exact_copy(rows.allowed_tokens);
    bitmask_ = exact_copy(rows.allowed_bitmask);
    problem_.logits = logits_->data();
    problem_.allowed_offsets = offsets_.get();
    problem_.allowed_tokens = list_.get();
    problem_.allowed_bitmask = bitmask_.get();
    const auto count = static_cast<std::size_t>(problem_.rows);
    const std::size_t entries = count * static_cast<std::size_t>(problem_.beam_width);
    tokens.reset(new std::int32_t[entries]);
    log_probabilities.reset(new float[entries]);
    log_sum_exp.reset(new float[count]);
  }

  ComputeStatus run() {
    return compute_top_tokens(problem_, {tokens.get(), log_probabilities.get(), log_sum_exp.get()});
  }

  std::unique_ptr<std::int32_t[]> tokens;
  std::unique_ptr<float[]> log_probabilities, log_sum_exp;

 private:
  TopTokensProblem problem_;
  std::unique_ptr<Elements> logits_;
  std::unique_ptr<std::int32_t[]> offsets_, list_;
  std::unique_ptr<std::uint32_t[]> bitmask_;
};

// Calls `compare(entry, row, rank)` for every entry of the results.
template <class Compare>
void each_entry(const LogitRows& shape, const Compare& compare) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t rank = 0; rank < shape.beam_width; ++rank) compare(row * shape.beam_width + rank, row, rank);
  }
}

void compare(const Call& call, const Context& context, const LogitRows& shape, const TopTokensReference& reference) {
  const auto tolerance = [&](double expected, std::int64_t row) {
    const double softcap =
        shape.softcap > 0 ? kSoftcapTolerance * reference.largest_scaled[static_cast<std::size_t>(row)] : 0;
    return kLossTolerance * std::max(1.0, std::fabs(expected)) + softcap;
  };
  each_entry(shape, [&](std::int64_t entry, std::int64_t row, std::int64_t rank) {
    const std::int32_t token = reference.tokens[static_cast<std::size_t>(entry)];
    if (call.tokens[entry] != token) fail(context, "token at a rank", row, rank, call.tokens[entry], token);
    const double expected = reference.log_probabilities[static_cast<std::size_t>(entry)];
    const auto got = static_cast<double>(call.log_probabilities[entry]);
    if (!is_close(got, expected, tolerance(expected, row))) fail(context, "log-probability", row, rank, got, expected);
  });
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const double expected = reference.log_sum_exp[static_cast<std::size_t>(row)];
    const auto got = static_cast<double>(call.log_sum_exp[row]);
    if (!is_close(got, expected, tolerance(expected, row))) fail(context, "log-sum-exp", row, -1, got, expected);
  }
}

void compare_bits(const Call& got, const Call& expected, const Context& context, const LogitRows& shape) {
  each_entry(shape, [&](std::int64_t entry, std::int64_t row, std::int64_t rank) {
    const bool same = got.tokens[entry] == expected.tokens[entry] &&
                      same_bits(got.log_probabilities[entry], expected.log_probabilities[entry]);
    if (!same) fail(context, "entry", row, rank, got.log_probabilities[entry], expected.log_probabilities[entry]);
  });
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    if (same_bits(got.log_sum_exp[row], expected.log_sum_exp[row])) continue;
    fail(context, "log-sum-exp", row, -1, got.log_sum_exp[row], expected.log_sum_exp[row]);
  }
}

void run(Call& call, const Context& context) {
  const ComputeStatus status = call.run();
  if (status != ComputeStatus::kOk) fail(context, "status", -1, -1, static_cast<double>(status), 0);
}

// As in fuzz_loss.cc: a thread's scratch memory would hide what is written behind that of a smaller row.
void check_kernel(const RowsCase& rows, const TopTokensReference& reference, const KernelBuild& build) {
  const LogitRows& shape = rows.shape;
  const TopTokensKernel& kernel = *build.top_tokens_kernel;
  const Context context = {build.instruction_set, kWayNames[kKernel]};
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const std::vector<std::int32_t> tokens = rows.allowed(row);
    const auto count = static_cast<std::int64_t>(tokens.size());
    const std::int64_t width = std::min(shape.beam_width, count);
    if (width == 0) continue;
    Elements logits = place_tokens(rows, row, tokens);
    const std::unique_ptr<float[]> candidates(new float[static_cast<std::size_t>(kernel.candidate_capacity(width))]);
    const std::unique_ptr<TokenKey[]> keys(new TokenKey[static_cast<std::size_t>(kernel.key_capacity(width))]);
    TopTokensFound found;
    kernel.select({logits.data(), shape.dtype, count, kNoTarget}, {shape.temperature, shape.softcap}, width,
                  candidates.get(), keys.get(), found);
    std::sort(keys.get(), keys.get() + found.count, std::greater<>());
    for (std::int64_t rank = 0; rank < width; ++rank) {
      const std::int32_t expected = reference.tokens[static_cast<std::size_t>(row * shape.beam_width + rank)];
      const std::int32_t got = rank < found.count ? tokens[position_of(keys[rank])] : -1;
      if (got != expected) fail(context, "token at a rank", row, rank, got, expected);
    }
  }
}

bool is_sound(const RowsCase& rows) {
  const auto offsets = exact_copy(rows.allowed_offsets);
  const auto tokens = exact_copy(rows.allowed_tokens);
  LogitRows shape = rows.shape;
  shape.allowed_offsets = offsets.get();
  shape.allowed_tokens = tokens.get();
  const ProblemFault found = find_constraint_fault(shape, rows.token_count());
  const ProblemFault fault = expected_constraint_fault(rows);
  if (found.error != fault.error || found.row != fault.row || found.value != fault.value) {
    fail({"any", "find_constraint_fault"}, "fault", found.row, found.value, static_cast<double>(found.error),
         static_cast<double>(fault.error));
  }
  return fault.error == ProblemError::kNone;
}

void check_case(const TopTokensCase& top_case) {
  current_case = &top_case;
  const RowsCase& rows = top_case.rows;
  if (!is_sound(rows)) return;
  const TopTokensReference reference = top_tokens_reference(rows);
  int way = top_case.variant;
  for (const KernelBuild* build : supported_kernels()) {
    choose_kernels(*build);
    const Context context = {build->instruction_set, kWayNames[kWays]};
    Call call(top_case, kWays);
    run(call, context);
    compare(call, context, rows.shape, reference);
    const auto other_way = static_cast<Way>(way++ % kWays);
    if (other_way == kKernel) {
      check_kernel(rows, reference, *build);
      continue;
    }
    const Context other_context = {build->instruction_set, kWayNames[other_way]};
    Call other(top_case, other_way);
    run(other, other_context);
    compare_bits(other, call, other_context, rows.shape);
  }
}

} // namespace

void describe_case(std::int64_t row) {
  describe(current_case->rows, row);
  std::fprintf(stderr, "listed logits %d\n", current_case->listed_logits);
}

} // namespace fused_bear_loss::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fused_bear_loss::fuzz::check_case(fused_bear_loss::fuzz::read_top_tokens_case(data, size));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t capacity,
                                               unsigned seed) {
  return fused_bear_loss::fuzz::mutate(data, size, capacity, seed, fused_bear_loss::fuzz::kTopTokensFieldBytes);
}
