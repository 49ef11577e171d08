#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "benchmarks/device-check/native/device.h"
#include "benchmarks/device-check/native/float64_reference.h"
#include "benchmarks/device-check/native/inputs.h"
#include "benchmarks/device-check/native/prepared.h"
#include "benchmarks/device-check/native/record.h"
#include "benchmarks/device-check/native/steps.h"
#include "native/core/dtype.h"
#include "native/cuda/launch_loss.h"

namespace fused_bear_loss::device_check {
namespace {

enum class Pattern { kRandom, kAscending, kTies, kMasked };

struct Variant {
  const char* name;
  Pattern pattern;
  std::int64_t offset; // elements between an aligned address and the first logit
  std::int64_t beam_width;
  Penalty penalty;
  ThresholdGradient threshold_gradient;
  GradientMode gradient;
};

constexpr Variant kVariants[] = {
    {"random", Pattern::kRandom, 0, 10, Penalty::kHinge, ThresholdGradient::kDetach, GradientMode::kOutOfPlace},
    {"random, unaligned, flow", Pattern::kRandom, 1, 10, Penalty::kSoftplus, ThresholdGradient::kFlow,
     GradientMode::kOutOfPlace},
    {"random, beam width 300, flow", Pattern::kRandom, 0, 300, Penalty::kSoftplus, ThresholdGradient::kFlow,
     GradientMode::kOutOfPlace},
    {"ascending", Pattern::kAscending, 0, 10, Penalty::kHinge, ThresholdGradient::kDetach, GradientMode::kOutOfPlace},
    {"ties, unaligned, beam width 300, flow", Pattern::kTies, 1, 300, Penalty::kHinge, ThresholdGradient::kFlow,
     GradientMode::kOutOfPlace},
    {"minus infinity, in place", Pattern::kMasked, 0, 10, Penalty::kHinge, ThresholdGradient::kDetach,
     GradientMode::kInPlace},
    {"cross-entropy, in place, unaligned", Pattern::kRandom, 1, 10, Penalty::kNone, ThresholdGradient::kDetach,
     GradientMode::kInPlace},
    {"forward alone", Pattern::kRandom, 0, 10, Penalty::kSoftplus, ThresholdGradient::kDetach, GradientMode::kNone},
};

float logit_of(Pattern pattern, float normal, std::int64_t token, std::int64_t vocab_size) {
  switch (pattern) {
    case Pattern::kAscending:
      return static_cast<float>(8.0 * static_cast<double>(token) / static_cast<double>(vocab_size) - 4);
    case Pattern::kTies:
      return std::round(normal);
    case Pattern::kMasked: // all but the last fifth, as where a prefix allows few tokens
      return token < vocab_size - vocab_size / 5 - 1 ? -INFINITY : normal;
    case Pattern::kRandom:
      break;
  }
  return normal;
}

template <class Element>
void put(std::vector<char>& bytes, std::size_t index, float value) {
  Element rounded;
  from_float(value, rounded);
  std::memcpy(&bytes[index * sizeof rounded], &rounded, sizeof rounded);
}
template <class Element>
double take(const std::vector<char>& bytes, std::size_t index) {
  Element value;
  std::memcpy(&value, &bytes[index * sizeof value], sizeof value);
  return to_float(value);
}
void put(std::vector<char>& bytes, DType dtype, std::size_t index, float value) {
  if (dtype == DType::kFloat32) return put<float>(bytes, index, value);
  dtype == DType::kFloat16 ? put<Float16>(bytes, index, value) : put<BFloat16>(bytes, index, value);
}
double take(const std::vector<char>& bytes, DType dtype, std::size_t index) {
  if (dtype == DType::kFloat32) return take<float>(bytes, index);
  return dtype == DType::kFloat16 ? take<Float16>(bytes, index) : take<BFloat16>(bytes, index);
}

constexpr int kStatistics = 5; // nll, log-sum-exp, threshold, margin, penalty
const char* const kStatisticNames[kStatistics] = {"nll", "log-sum-exp", "threshold", "margin", "penalty"};

struct Outcome {
  float loss = 0;
  std::vector<char> gradient; // of the whole buffer, offset included; empty for a forward pass
  std::vector<float> statistics[kStatistics];
  std::vector<std::int32_t> ranks;
};

bool same_bits(const Outcome& a, const Outcome& b) {
  const auto same = [](const auto& x, const auto& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof x[0]) == 0;
  };
  for (int i = 0; i < kStatistics; ++i) {
    if (!same(a.statistics[i], b.statistics[i])) return false;
  }
  return std::memcmp(&a.loss, &b.loss, sizeof a.loss) == 0 && same(a.gradient, b.gradient) && same(a.ranks, b.ranks);
}

class ShapeCheck {
 public:
  ShapeCheck(const Shape& shape, const Variant& variant, const cuda::DeviceProperties& properties)
      : shape_(shape), variant_(variant), properties_(properties), targets_(targets_of(shape)) {
    const auto count = static_cast<std::size_t>(variant.offset + shape.rows * shape.vocab_size);
    logits_.resize(count * static_cast<std::size_t>(element_size(shape.dtype)));
    const std::vector<float>& block = input_block();
    for (std::int64_t row = 0; row < shape.rows; ++row) {
      for (std::int64_t token = 0; token < shape.vocab_size; ++token) {
        const auto at = static_cast<std::size_t>(row * shape.vocab_size + token);
        put(logits_, shape.dtype, static_cast<std::size_t>(variant.offset) + at,
            logit_of(variant.pattern, block[at % block.size()], token, shape.vocab_size));
      }
    }
    // A target that is masked would have an infinite loss.
    if (variant.pattern == Pattern::kMasked) {
      for (std::int32_t& target : targets_) {
        target = static_cast<std::int32_t>(shape.vocab_size - 1 - target % (shape.vocab_size / 5 + 1));
      }
    }
    problem_.rows = shape.rows;
    problem_.vocab_size = problem_.row_stride = shape.vocab_size;
    problem_.dtype = shape.dtype;
    problem_.beam_width = variant.beam_width;
    problem_.penalty = variant.penalty;
    problem_.threshold_gradient = variant.threshold_gradient;
    problem_.gradient = variant.gradient;
    problem_.pruning_statistics = variant.penalty != Penalty::kNone;
  }

  // What is wrong first; empty: nothing.
  std::string run() const {
    const Outcome once = compute(shape_.rows);
    if (!same_bits(once, compute(shape_.rows))) return "two runs differ";
    if (!same_bits(once, compute(std::max<std::int64_t>(1, shape_.rows / 3)))) return "the chunking makes a difference";
    return compare(once);
  }

 private:
  Outcome compute(std::int64_t chunk_rows) const {
    const auto rows = static_cast<std::size_t>(shape_.rows);
    const bool in_place = variant_.gradient == GradientMode::kInPlace;
    const bool with_gradient = variant_.gradient != GradientMode::kNone;
    const std::int64_t offset_bytes = variant_.offset * element_size(shape_.dtype);
    const DeviceBuffer logits(logits_.size());
    const DeviceBuffer gradient(with_gradient && !in_place ? logits_.size() : 0);
    const DeviceBuffer targets(rows * sizeof(std::int32_t));
    const DeviceBuffer statistics(rows * kStatistics * sizeof(float));
    const DeviceBuffer ranks(rows * sizeof(std::int32_t));
    const DeviceBuffer loss(sizeof(float));
    const DeviceBuffer memory(cuda::workspace_bytes(shape_.rows));
    logits.upload(logits_.data(), logits_.size());
    targets.upload(targets_.data(), rows * sizeof(std::int32_t));
    for (const DeviceBuffer* each : {&gradient, &statistics, &ranks, &loss, &memory}) {
      if (each->bytes() > 0) each->poison();
    }
    cuda::DeviceProblem call;
    call.problem = problem_;
    call.problem.targets = targets.as<std::int32_t>();
    call.loss = loss.as<float>();
    LossOutputs& out = call.outputs;
    out.grad_row_stride = shape_.vocab_size;
    out.nll = statistics.as<float>();
    out.log_sum_exp = out.nll + rows;
    out.threshold = out.nll + 2 * rows;
    out.margin = out.nll + 3 * rows;
    out.penalty = out.nll + 4 * rows;
    out.rank = ranks.as<std::int32_t>();
    const cuda::Workspace workspace = cuda::workspace_at(memory.as(), shape_.rows);
    const DeviceBuffer& written = in_place ? logits : gradient;
    must("begin", cuda::enqueue_begin(call, workspace, nullptr));
    for (std::int64_t first = 0; first < shape_.rows; first += chunk_rows) {
      const std::int64_t at = offset_bytes + first * shape_.vocab_size * element_size(shape_.dtype);
      call.problem.logits = logits.as() + at;
      out.grad_logits = with_gradient ? written.as() + at : nullptr;
      const cuda::RowRange range = {first, std::min(chunk_rows, shape_.rows - first)};
      must("rows", cuda::enqueue_rows(call, workspace, nullptr, properties_, range, cuda::Pass::kFused));
    }
    must("end", cuda::enqueue_end(call, workspace, nullptr, properties_));
    must("kernels", cudaDeviceSynchronize());
    Outcome outcome;
    outcome.loss = loss.download<float>(1)[0];
    if (with_gradient) outcome.gradient = written.download<char>(logits_.size());
    const std::vector<float> all = statistics.download<float>(rows * kStatistics);
    for (int i = 0; i < kStatistics; ++i) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(rows) * i;
      outcome.statistics[i].assign(begin, begin + static_cast<std::ptrdiff_t>(rows));
    }
    outcome.ranks = ranks.download<std::int32_t>(rows);
    return outcome;
  }

  std::string compare(const Outcome& got) const {
    double loss = 0;
    for (std::int64_t row = 0; row < shape_.rows; ++row) {
      std::vector<double> logits(static_cast<std::size_t>(shape_.vocab_size));
      for (std::size_t j = 0; j < logits.size(); ++j) logits[j] = take(logits_, shape_.dtype, position(row, j));
      const auto at = static_cast<std::size_t>(row);
      const ReferenceRow expected = reference_row(logits, targets_[at], problem_);
      loss += expected.loss / static_cast<double>(shape_.rows);
      const double numbers[kStatistics] = {expected.nll, expected.log_sum_exp, expected.threshold, expected.margin,
                                           expected.penalty};
      for (int i = 0; i < kStatistics; ++i) {
        const bool is_threshold = i == 2 || i == 3;
        if (is_threshold && !problem_.pruning_statistics) continue;
        if (!close(got.statistics[i][at], numbers[i])) {
          return difference(row, kStatisticNames[i], got.statistics[i][at], numbers[i]);
        }
      }
      if (got.ranks[at] != expected.rank) {
        return difference(row, "rank", got.ranks[at], static_cast<double>(expected.rank));
      }
      const std::string wrong = got.gradient.empty() ? "" : compare_gradient(row, got, expected);
      if (!wrong.empty()) return wrong;
    }
    return close(got.loss, loss) ? "" : difference(-1, "loss", got.loss, loss);
  }

  // Float32: as docs/math.md has it. 16 bits: the rounded reference plus one unit in the last place.
  std::string compare_gradient(std::int64_t row, const Outcome& got, const ReferenceRow& expected) const {
    const double scale = 1.0 / static_cast<double>(shape_.rows);
    double largest = 0;
    for (const double entry : expected.gradient) largest = std::fmax(largest, std::fabs(entry * scale));
    const double unit = shape_.dtype == DType::kFloat32 ? 0 : shape_.dtype == DType::kFloat16 ? 0x1p-10 : 0x1p-7;
    const double smallest = shape_.dtype == DType::kFloat16 ? 0x1p-24 : 0x1p-126;
    for (std::size_t j = 0; j < expected.gradient.size(); ++j) {
      const double entry = take(got.gradient, shape_.dtype, position(row, j));
      const double wanted = expected.gradient[j] * scale;
      const double tolerance = 5e-6 * largest + 1.5 * unit * std::fabs(wanted) + 1.5 * smallest;
      if (!(std::fabs(entry - wanted) <= tolerance)) {
        return difference(row, ("gradient of token " + std::to_string(j)).c_str(), entry, wanted);
      }
    }
    return "";
  }

  std::size_t position(std::int64_t row, std::size_t token) const {
    return static_cast<std::size_t>(variant_.offset + row * shape_.vocab_size) + token;
  }
  static bool close(double got, double expected) {
    return std::fabs(got - expected) <= 1e-5 * std::fmax(1, std::fabs(expected));
  }
  static std::string difference(std::int64_t row, const char* what, double got, double expected) {
    char text[200];
    std::snprintf(text, sizeof text, "row %lld, %s: got %.9g, expected %.9g", static_cast<long long>(row), what, got,
                  expected);
    return text;
  }

  Shape shape_;
  Variant variant_;
  cuda::DeviceProperties properties_;
  std::vector<std::int32_t> targets_;
  std::vector<char> logits_;
  LossProblem problem_;
};

} // namespace

bool check_large_shapes(const Arguments& arguments) {
  const cuda::DeviceProperties properties = prepare_device().properties;
  bool all_agree = true;
  for (const std::string& argument : arguments) {
    const Shape shape = parse_shape(argument);
    int agreed = 0;
    int wrong = 0;
    std::string first;
    for (const Variant& variant : kVariants) {
      const std::string difference = ShapeCheck(shape, variant, properties).run();
      if (difference.empty()) {
        ++agreed;
      } else if (wrong++ == 0) {
        first = std::string(variant.name) + ": " + difference;
      }
    }
    all_agree = all_agree && wrong == 0;
    Record("check")
        .add("name", "V = " + std::to_string(shape.vocab_size))
        .add("dtype", dtype_name(shape.dtype))
        .add("agreed", agreed)
        .add("wrong", wrong)
        .add("skipped", 0)
        .add("first", first);
  }
  return all_agree;
}

} // namespace fused_bear_loss::device_check
