// The fuzz target of the loss: each case by every build of the kernels that this processor can run, compared with the
// reference; then by another way to the same results, compared bit for bit. docs/robustness.md says more.
#include <algorithm>
#include <atomic>
#include <memory>

#include "native/core/backend.h"
#include "native/core/option_names.h"
#include "native/core/validate_problem.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/row_loop.h"
#include "native/cpu/row_processor.h"
#include "test/fuzz/core/check.h"
#include "test/fuzz/core/expected_fault.h"
#include "test/fuzz/core/kernel_choice.h"
#include "test/fuzz/core/loss_case.h"
#include "test/fuzz/core/loss_reference.h"
#include "test/fuzz/core/mutate.h"

namespace fused_bear_loss::fuzz {
namespace {

const LossCase* current_case = nullptr;

constexpr float kUntouched = 12345;
constexpr std::int32_t kUntouchedRank = -12345;

// The caller's arrays, each exactly as long as it has to be.
struct Inputs {
  explicit Inputs(const LossCase& loss_case)
      : targets(exact_copy(loss_case.targets)),
        token_weights(exact_copy(loss_case.token_weights)),
        penalty_weights(exact_copy(loss_case.penalty_weights)),
        grad_output_rows(exact_copy(loss_case.grad_output_rows)),
        offsets(exact_copy(loss_case.rows.allowed_offsets)),
        tokens(exact_copy(loss_case.rows.allowed_tokens)),
        bitmask(exact_copy(loss_case.rows.allowed_bitmask)),
        problem(loss_case.problem) {
    problem.targets = targets.get();
    problem.token_weights = token_weights.get();
    problem.penalty_weights = penalty_weights.get();
    problem.grad_output_rows = grad_output_rows.get();
    problem.allowed_offsets = offsets.get();
    problem.allowed_tokens = tokens.get();
    problem.allowed_bitmask = bitmask.get();
  }

  std::unique_ptr<std::int32_t[]> targets;
  std::unique_ptr<float[]> token_weights, penalty_weights, grad_output_rows;
  std::unique_ptr<std::int32_t[]> offsets, tokens;
  std::unique_ptr<std::uint32_t[]> bitmask;
  LossProblem problem;
};

// Where the logits and the gradient lie, and how the gradient gets there.
struct Placement {
  GradientMode mode;
  std::int64_t shift;
  std::int64_t stride;
  std::int64_t gradient_shift;
  std::int64_t gradient_stride;

  bool is_in_place() const { return mode == GradientMode::kInPlace || mode == GradientMode::kInPlaceSparse; }
};

enum Statistic { kNll, kLogSumExp, kThreshold, kMargin, kPenalty, kRowLoss, kStatistics };
constexpr const char* kStatisticNames[] = {"nll", "log-sum-exp", "threshold", "margin", "penalty", "row loss"};
constexpr int kRankBit = kStatistics;

// The memory of one call, and what it wrote there.
class Call {
 public:
  Call(const LossCase& loss_case, const Inputs& inputs, const Placement& placement)
      : case_(loss_case),
        placement_(placement),
        logits_(place_rows(loss_case.rows, placement.shift, placement.stride)),
        gradient_(place_output(loss_case.rows, placement.gradient_shift, placement.gradient_stride)),
        ranks_(wants(kRankBit) ? new std::int32_t[rows()] : nullptr),
        problem(inputs.problem) {
    problem.logits = logits_.data();
    problem.row_stride = placement.stride;
    problem.gradient = placement.mode;
    if (placement.mode != GradientMode::kNone) {
      outputs.grad_logits = placement.is_in_place() ? logits_.data() : gradient_.data();
      outputs.grad_row_stride = gradient_stride();
    }
    float** const columns[] = {&outputs.nll,    &outputs.log_sum_exp, &outputs.threshold,
                               &outputs.margin, &outputs.penalty,     &outputs.row_losses};
    for (int i = 0; i < kStatistics; ++i) {
      if (!wants(i)) continue;
      statistics_[i].reset(new float[rows()]);
      std::fill_n(statistics_[i].get(), rows(), kUntouched);
      *columns[i] = statistics_[i].get();
    }
    if (ranks_ != nullptr) std::fill_n(ranks_.get(), rows(), kUntouchedRank);
    outputs.rank = ranks_.get();
  }

  bool wants(int output) const {
    if (output == kRowLoss && case_.problem.reduction != Reduction::kNone) return false;
    return (case_.missing_outputs >> output & 1) == 0;
  }
  float statistic(int which, std::int64_t row) const { return statistics_[which][row]; }
  std::int32_t rank(std::int64_t row) const { return ranks_[row]; }
  std::uint32_t gradient_bits(std::int64_t row, std::int64_t token) const {
    const std::int64_t index = row * gradient_stride() + token;
    return placement_.is_in_place() ? logits_.bits(index) : gradient_.bits(index);
  }
  const Placement& placement() const { return placement_; }
  const LossCase& loss_case() const { return case_; }

  // Nothing but the gradient may have been written: neither padding nor what lies before the rows, nor logits that are
  // not to be replaced.
  void check_untouched(const Context& context) const {
    if (!logits_.shift_is_untouched() || !gradient_.shift_is_untouched()) fail(context, "memory before", 0, -1, 0, 0);
    const std::int64_t vocab_size = problem.vocab_size;
    for (std::int64_t row = 0; row < problem.rows; ++row) {
      const bool is_last = row == problem.rows - 1;
      check_padding(context, logits_, row, vocab_size, is_last ? vocab_size : placement_.stride, placement_.stride);
      const bool has_gradient = placement_.mode == GradientMode::kOutOfPlace;
      check_padding(context, gradient_, row, has_gradient ? vocab_size : 0,
                    is_last ? vocab_size : placement_.gradient_stride, placement_.gradient_stride);
      if (placement_.mode == GradientMode::kInPlace) continue;
      for (std::int64_t token = 0; token < vocab_size; ++token) {
        const std::uint32_t before = case_.rows.logits[static_cast<std::size_t>(case_.rows.position(row, token))];
        if (logits_.bits(row * placement_.stride + token) == before) continue;
        if (placement_.mode == GradientMode::kInPlaceSparse && case_.rows.allows(row, token)) continue;
        fail(context, "logit that was written", row, token, 0, decode(before, problem.dtype));
      }
    }
  }

 private:
  std::size_t rows() const { return static_cast<std::size_t>(case_.problem.rows); }
  std::int64_t gradient_stride() const {
    return placement_.is_in_place() ? placement_.stride : placement_.gradient_stride;
  }
  void check_padding(const Context& context, const Elements& elements, std::int64_t row, std::int64_t begin,
                     std::int64_t end, std::int64_t stride) const {
    for (std::int64_t i = begin; i < end; ++i) {
      if (elements.bits(row * stride + i) != elements.untouched_bits()) fail(context, "padding", row, i, 0, 0);
    }
  }

  const LossCase& case_;
  const Placement placement_;
  Elements logits_;
  Elements gradient_;
  std::unique_ptr<float[]> statistics_[kStatistics];
  std::unique_ptr<std::int32_t[]> ranks_;

 public:
  LossProblem problem;
  LossOutputs outputs;
  LossSummary summary;
};

// As the threads of a call do, in turns of some rows each; so rows meet other neighbours. With `stream` the gradient
// goes past the caches, as a large one does.
void run_row_by_row(Call& call, bool stream, std::int64_t counted_rows) {
  const LossProblem& problem = call.problem;
  double divisor = 1;
  if (problem.reduction == Reduction::kMean) {
    const auto counted = static_cast<double>(std::max<std::int64_t>(1, counted_rows));
    divisor = problem.normalizer > 0 ? problem.normalizer : counted;
  }
  const int turns = 2;
  for (int turn = 0; turn < turns; ++turn) {
    RowProcessor processor(problem, nullptr, call.outputs, row_kernel(), stream, longest_row(problem));
    for (std::int64_t row = turn; row < problem.rows; row += turns) {
      RowRecord record;
      processor.forward(row, record);
      processor.gradient(row, record, divisor);
    }
    processor.finish();
  }
}

void compare_summary(const Context& context, const LossSummary& got, const LossReference& expected,
                     double loss_tolerance) {
  const auto equal = [&](const char* what, std::int64_t a, std::int64_t b) {
    if (a != b) fail(context, what, -1, -1, static_cast<double>(a), static_cast<double>(b));
  };
  equal("counted rows", got.counted_rows, expected.counted_rows);
  equal("pruned rows", got.pruned_rows, expected.pruned_rows);
  equal("top ranked rows", got.top_ranked_rows, expected.top_ranked_rows);
  if (got.non_finite_rows != expected.non_finite_rows) fail(context, "rows that are not finite", -1, -1, 0, 0);
  if (!is_close(got.loss, expected.loss, loss_tolerance)) fail(context, "loss", -1, -1, got.loss, expected.loss);
}

double weight_of(const LossCase& loss_case, std::int64_t row) {
  const std::vector<float>& weights = loss_case.token_weights;
  return weights.empty() ? 1 : static_cast<double>(weights[static_cast<std::size_t>(row)]);
}

// How far the scaled logits themselves may be off.
double scaled_error(const LossProblem& problem, const RowReference& row) {
  return problem.softcap > 0 ? kSoftcapTolerance * row.largest_scaled : 0;
}

double mean_error(const LossProblem& problem, const RowReference& row) {
  return problem.label_smoothing > 0 ? problem.label_smoothing * kMeanTolerance * row.largest_scaled : 0;
}

// Of a row's loss, before its token weight.
double row_loss_tolerance(const LossProblem& problem, const RowReference& row) {
  const double own = kLossTolerance * std::max(1.0, row.loss_scale);
  const double factor = std::fabs(row.weight) + 2 * problem.z_loss * std::max(1.0, std::fabs(row.log_sum_exp));
  return own + factor * scaled_error(problem, row) + std::fabs(row.weight) * mean_error(problem, row);
}

void compare_statistics(const Call& call, const Context& context, const LossReference& reference) {
  const LossProblem& problem = call.problem;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const RowReference& expected = reference.rows[static_cast<std::size_t>(row)];
    const double weight = weight_of(call.loss_case(), row);
    const double unknown = expected.counted && !problem.pruning_statistics ? NAN : 0;
    const double values[] = {expected.nll,
                             expected.log_sum_exp,
                             expected.threshold + unknown,
                             expected.margin + unknown,
                             expected.penalty,
                             expected.counted ? weight * expected.loss : 0};
    for (int i = 0; i < kStatistics; ++i) {
      if (!call.wants(i)) continue;
      double tolerance = kLossTolerance * std::max(1.0, std::fabs(values[i])) + scaled_error(problem, expected);
      if (i == kRowLoss) tolerance = std::fabs(weight) * row_loss_tolerance(problem, expected) + 1e-37;
      const auto got = static_cast<double>(call.statistic(i, row));
      if (!is_close(got, values[i], tolerance)) fail(context, kStatisticNames[i], row, -1, got, values[i]);
    }
    if (call.wants(kRankBit) && call.rank(row) != expected.rank) {
      fail(context, "rank", row, -1, call.rank(row), static_cast<double>(expected.rank));
    }
  }
}

void compare_gradient(const Call& call, const Context& context, const LossReference& reference) {
  const LossProblem& problem = call.problem;
  const bool is_half = problem.dtype != DType::kFloat32;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const RowReference& expected = reference.rows[static_cast<std::size_t>(row)];
    if (expected.is_on_hinge) continue;
    const double relative = kGradientTolerance + scaled_error(problem, expected);
    // Each of the probabilities that 1 - p_y is the sum of may have vanished.
    const double vanished = kSmallestNormal * (1 + expected.largest_factor * static_cast<double>(problem.vocab_size));
    for (std::int64_t token = 0; token < problem.vocab_size; ++token) {
      const double wanted = expected.gradient[static_cast<std::size_t>(token)];
      const double got = decode(call.gradient_bits(row, token), problem.dtype);
      double tolerance = expected.gradient_scale * relative + expected.exponent_scale * kExponentTolerance + vanished;
      if (is_half) tolerance += 1.5 * unit_of(wanted, problem.dtype);
      const bool overflows = is_half && std::isinf(got) &&
                             std::fabs(wanted) + tolerance >= overflow_of(problem.dtype) &&
                             std::signbit(got) == std::signbit(wanted);
      // Outside A, in ignored and in forced rows.
      const bool must_be_zero = wanted == 0 && (!expected.counted || !call.loss_case().rows.allows(row, token));
      if (must_be_zero ? got != 0 : !overflows && !is_close(got, wanted, tolerance)) {
        fail(context, "gradient", row, token, got, wanted);
      }
    }
  }
}

// The numbers that two ways to the same results must have in common, bit for bit.
void compare_bits(const Call& got, const Call& expected, const Context& context) {
  const LossProblem& problem = got.problem;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    for (int i = 0; i < kStatistics; ++i) {
      if (i == kRowLoss || !got.wants(i) || same_bits(got.statistic(i, row), expected.statistic(i, row))) continue;
      fail(context, kStatisticNames[i], row, -1, got.statistic(i, row), expected.statistic(i, row));
    }
    if (got.wants(kRankBit) && got.rank(row) != expected.rank(row)) {
      fail(context, "rank", row, -1, got.rank(row), expected.rank(row));
    }
    if (got.placement().mode == GradientMode::kNone) continue;
    const bool sparse = got.placement().mode == GradientMode::kInPlaceSparse;
    for (std::int64_t token = 0; token < problem.vocab_size; ++token) {
      const std::uint32_t a = got.gradient_bits(row, token);
      const std::uint32_t b = expected.gradient_bits(row, token);
      if (a == b || (sparse && !got.loss_case().rows.allows(row, token))) continue;
      fail(context, "gradient", row, token, decode(a, problem.dtype), decode(b, problem.dtype));
    }
  }
}

void compare_summary_bits(const Call& got, const Call& expected, const Context& context) {
  const LossSummary& a = got.summary;
  const LossSummary& b = expected.summary;
  const bool same = (same_bits(a.loss, b.loss) || (std::isnan(a.loss) && std::isnan(b.loss))) &&
                    a.counted_rows == b.counted_rows && a.pruned_rows == b.pruned_rows &&
                    a.top_ranked_rows == b.top_ranked_rows && a.non_finite_rows == b.non_finite_rows;
  if (!same) fail(context, "summary", -1, -1, a.loss, b.loss);
  for (std::int64_t row = 0; row < got.problem.rows && got.wants(kRowLoss); ++row) {
    if (same_bits(got.statistic(kRowLoss, row), expected.statistic(kRowLoss, row))) continue;
    fail(context, "row loss", row, -1, got.statistic(kRowLoss, row), expected.statistic(kRowLoss, row));
  }
}

double loss_tolerance(const LossCase& loss_case, const LossReference& reference) {
  double tolerance = 0;
  for (std::int64_t row = 0; row < loss_case.problem.rows; ++row) {
    const RowReference& each = reference.rows[static_cast<std::size_t>(row)];
    if (!each.counted || !std::isfinite(each.loss)) continue;
    tolerance += std::fabs(weight_of(loss_case, row)) * row_loss_tolerance(loss_case.problem, each);
  }
  return tolerance / std::fabs(reference.divisor) + 1e-300;
}

enum Way { kInPlace, kSparse, kWithoutGradient, kElsewhere, kThreads, kRowByRow, kStreamed, kAborted, kKernel, kWays };
constexpr const char* kWayNames[] = {"in place",        "in place, sparse", "without gradient",
                                     "in other memory", "by threads",       "row by row",
                                     "streamed",        "aborted",          "the kernel alone"};

Placement placement_of(const LossCase& loss_case, Way way) {
  const RowsCase& rows = loss_case.rows;
  Placement placement = {GradientMode::kOutOfPlace, rows.shift, rows.shape.row_stride, loss_case.gradient_shift,
                         rows.shape.vocab_size + loss_case.gradient_padding};
  if (way == kInPlace) placement.mode = GradientMode::kInPlace;
  if (way == kSparse) placement.mode = rows.is_listed() ? GradientMode::kInPlaceSparse : GradientMode::kInPlace;
  if (way == kWithoutGradient) placement.mode = GradientMode::kNone;
  if (way == kElsewhere) {
    placement.shift = (placement.shift + 1 + loss_case.variant / 16) % 16;
    placement.stride += 3;
    placement.gradient_shift = (placement.gradient_shift + 1 + loss_case.variant / 32) % 16;
    placement.gradient_stride += 11;
  }
  return placement;
}

// A thread's scratch memory keeps the size of its largest row, which would hide what is written behind a smaller one's.
// Here each row is swept with memory of the size that the kernel asks for. What it finds decides on ranks and pruning,
// and must be exact.
void check_kernel(const LossCase& loss_case, const LossReference& reference, const KernelBuild& build) {
  const LossProblem& problem = loss_case.problem;
  const RowKernel& kernel = *build.row_kernel;
  const Context context = {build.instruction_set, kWayNames[kKernel]};
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const RowReference& expected = reference.rows[static_cast<std::size_t>(row)];
    if (!expected.counted) continue;
    const std::vector<std::int32_t> tokens = loss_case.rows.allowed(row);
    const auto count = static_cast<std::int64_t>(tokens.size());
    Elements logits = place_tokens(loss_case.rows, row, tokens);
    const std::int32_t target = loss_case.targets[static_cast<std::size_t>(row)];
    const RowView view = {logits.data(), problem.dtype, count,
                          std::lower_bound(tokens.begin(), tokens.end(), target) - tokens.begin()};
    const SweepOptions options = {
        {problem.temperature, problem.softcap}, std::min(problem.beam_width, count), problem.label_smoothing > 0};
    const std::unique_ptr<float[]> candidates(
        new float[static_cast<std::size_t>(kernel.candidate_capacity(options.beam_width))]);
    const std::unique_ptr<float[]> exponentials(new float[static_cast<std::size_t>((count + 63) / 64 * 64)]);
    RowSums sums;
    kernel.sweep(view, options, candidates.get(), exponentials.get(), nullptr, sums);
    const auto equal = [&](const char* what, double got, double wanted) {
      if (got != wanted) fail(context, what, row, -1, got, wanted);
    };
    equal("poisoned", sums.poisoned, expected.poisoned);
    if (expected.poisoned) continue;
    equal("threshold logit", static_cast<double>(sums.threshold_logit), expected.threshold_logit);
    equal("several allowed", sums.several_allowed, expected.several_allowed);
    equal("effective width", static_cast<double>(sums.effective_width),
          static_cast<double>(std::min(options.beam_width, expected.allowed_count)));
    const bool is_reached = expected.threshold_logit <= loss_case.rows.logit(row, target);
    if (is_reached) equal("rank", static_cast<double>(sums.target_rank), static_cast<double>(expected.rank));
  }
}

void check_other_way(const LossCase& loss_case, const Inputs& inputs, Way way, const Call& expected,
                     const LossReference& reference, const char* instruction_set) {
  const LossProblem& problem = loss_case.problem;
  const bool in_rows = way == kRowByRow || way == kStreamed;
  if (in_rows && problem.reduction == Reduction::kWeightedMean) return;
  const Context context = {instruction_set, kWayNames[way]};
  Call call(loss_case, inputs, placement_of(loss_case, way));
  if (in_rows) {
    const bool may_stream =
        problem.dtype == DType::kFloat32 && !loss_case.rows.is_listed() && !loss_case.rows.is_masked();
    run_row_by_row(call, way == kStreamed && may_stream, reference.counted_rows);
  } else {
    if (way == kThreads) call.problem.threads = 2 + loss_case.variant / 128;
    const std::atomic<std::int32_t> abort{way == kAborted ? 1 : 0};
    const ComputeStatus status = cpu_backend().compute(call.problem, call.outputs, call.summary, &abort);
    const ComputeStatus wanted = way == kAborted && problem.rows > 0 ? ComputeStatus::kAborted : ComputeStatus::kOk;
    if (status != wanted) fail(context, "status", -1, -1, static_cast<double>(status), static_cast<double>(wanted));
  }
  call.check_untouched(context);
  if (way == kAborted) return;
  compare_bits(call, expected, context);
  if (!in_rows) compare_summary_bits(call, expected, context);
}

void check_case(const LossCase& loss_case) {
  current_case = &loss_case;
  const Inputs inputs(loss_case);
  const ProblemFault found = find_fault(inputs.problem, loss_case.rows.token_count());
  const ProblemFault fault = expected_fault(loss_case);
  if (found.error != fault.error || found.row != fault.row || found.value != fault.value) {
    fail({"any", "find_fault"}, "fault", found.row, found.value, static_cast<double>(found.error),
         static_cast<double>(fault.error));
  }
  if (fault.error != ProblemError::kNone) return;
  const LossReference reference = loss_reference(loss_case);
  const double tolerance = loss_tolerance(loss_case, reference);
  int way = loss_case.variant;
  for (const KernelBuild* build : supported_kernels()) {
    choose_kernels(*build);
    const Context context = {build->instruction_set, "out of place"};
    Call call(loss_case, inputs, placement_of(loss_case, kWays));
    const ComputeStatus status = cpu_backend().compute(call.problem, call.outputs, call.summary, nullptr);
    if (status != ComputeStatus::kOk) fail(context, "status", -1, -1, static_cast<double>(status), 0);
    call.check_untouched(context);
    compare_summary(context, call.summary, reference, tolerance);
    compare_statistics(call, context, reference);
    compare_gradient(call, context, reference);
    const auto other_way = static_cast<Way>(way++ % kWays);
    if (other_way == kKernel) {
      check_kernel(loss_case, reference, *build);
    } else {
      check_other_way(loss_case, inputs, other_way, call, reference, build->instruction_set);
    }
  }
}

} // namespace

void describe_case(std::int64_t row) {
  const LossProblem& problem = current_case->problem;
  describe(current_case->rows, row);
  std::fprintf(stderr,
               "penalty %s, %s, reduction %s, lambda %g, xi %g, margin %g, smoothing %g, z-loss %g, normalizer %g, "
               "upstream %g, ignored %d, statistics %d, weights %d%d%d\ntargets:",
               kPenaltyNames[static_cast<int>(problem.penalty)],
               kThresholdGradientNames[static_cast<int>(problem.threshold_gradient)],
               kReductionNames[static_cast<int>(problem.reduction)], problem.lambda, problem.xi, problem.margin,
               problem.label_smoothing, problem.z_loss, problem.normalizer, problem.grad_output, problem.ignore_index,
               problem.pruning_statistics, !current_case->token_weights.empty(), !current_case->penalty_weights.empty(),
               !current_case->grad_output_rows.empty());
  for (const std::int32_t target : current_case->targets) std::fprintf(stderr, " %d", target);
  std::fprintf(stderr, "\n");
  if (row < 0 || row >= problem.rows) return;
  std::fprintf(stderr, "of row %lld: token weight %.9g, penalty weight %.9g, upstream %.9g\n",
               static_cast<long long>(row), factor_of(current_case->token_weights, row),
               factor_of(current_case->penalty_weights, row), factor_of(current_case->grad_output_rows, row));
}

} // namespace fused_bear_loss::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fused_bear_loss::fuzz::check_case(fused_bear_loss::fuzz::read_loss_case(data, size));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t capacity,
                                               unsigned seed) {
  return fused_bear_loss::fuzz::mutate(data, size, capacity, seed, fused_bear_loss::fuzz::kLossFieldBytes);
}
