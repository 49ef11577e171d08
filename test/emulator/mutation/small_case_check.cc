#include "test/emulator/mutation/small_case_check.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "native/core/backend.h"
#include "native/core/dtype.h"
#include "native/core/validate_problem.h"
#include "native/cuda/launch_loss.h"

namespace fused_bear_loss::mutation {
namespace {

constexpr float kUntouched = 12345; // exact in every dtype's neighbourhood that matters: never a gradient
constexpr int kStatistics = 5;

[[noreturn]] void fail(const SmallCase& small, DType dtype, const char* what, double got, double expected) {
  char text[400];
  std::snprintf(text, sizeof text, "%s (V = %lld, B = %lld, dtype %d): %s: got %.9g, expected %.9g", small.name.c_str(),
                static_cast<long long>(small.problem.vocab_size), static_cast<long long>(small.problem.beam_width),
                static_cast<int>(dtype), what, got, expected);
  throw Disagreement(text);
}

// Elements as bytes, in any dtype.
class Elements {
 public:
  Elements(DType dtype, std::size_t count, float value = 0)
      : dtype_(dtype), bytes_(count * static_cast<std::size_t>(element_size(dtype))) {
    for (std::size_t i = 0; i < count; ++i) set(i, value);
  }
  void set(std::size_t index, float value) {
    if (dtype_ == DType::kFloat32) {
      store<float>(index, value);
    } else if (dtype_ == DType::kBFloat16) {
      store<BFloat16>(index, value);
    } else {
      store<Float16>(index, value);
    }
  }
  float get(std::size_t index) const {
    if (dtype_ == DType::kFloat32) return load<float>(index);
    return dtype_ == DType::kBFloat16 ? load<BFloat16>(index) : load<Float16>(index);
  }
  void* data() { return bytes_.data(); }
  std::size_t bytes() const { return bytes_.size(); }

 private:
  template <class Element>
  void store(std::size_t index, float value) {
    Element rounded;
    from_float(value, rounded);
    std::memcpy(&bytes_[index * sizeof rounded], &rounded, sizeof rounded);
  }
  template <class Element>
  float load(std::size_t index) const {
    Element value;
    std::memcpy(&value, &bytes_[index * sizeof value], sizeof value);
    return to_float(value);
  }

  DType dtype_;
  std::vector<char> bytes_;
};

[[noreturn]] void fail(const SmallCase& small, DType dtype, const char* what, cudaError_t error) {
  fail(small, dtype, (std::string(what) + ": " + cudaGetErrorName(error)).c_str(), error, 0);
}

// Arrays on the device, each as long as it has to be.
class DeviceArrays {
 public:
  DeviceArrays(const SmallCase& small, DType dtype, bool poison) : small_(small), dtype_(dtype), poison_(poison) {}
  DeviceArrays(const DeviceArrays&) = delete;
  DeviceArrays& operator=(const DeviceArrays&) = delete;
  ~DeviceArrays() {
    for (void* pointer : pointers_) cudaFree(pointer);
  }
  template <class T>
  T* copy(const T* data, std::size_t count) {
    if (count == 0) return nullptr;
    T* pointer = allocate<T>(count);
    must("copy to the device", cudaMemcpy(pointer, data, count * sizeof(T), cudaMemcpyHostToDevice));
    return pointer;
  }
  template <class T>
  T* copy(const std::vector<T>& data) {
    return copy(data.data(), data.size());
  }
  template <class T>
  T* allocate(std::size_t count) {
    void* pointer = nullptr;
    must("allocation", cudaMalloc(&pointer, count * sizeof(T)));
    pointers_.push_back(pointer);
    if (poison_) must("fill", cudaMemset(pointer, 0xff, count * sizeof(T)));
    return static_cast<T*>(pointer);
  }
  template <class T>
  void download(T* to, const T* from, std::size_t count) const {
    must("copy to the host", cudaMemcpy(to, from, count * sizeof(T), cudaMemcpyDeviceToHost));
  }
  void must(const char* what, cudaError_t error) const {
    if (error != cudaSuccess) fail(small_, dtype_, what, error);
  }

 private:
  const SmallCase& small_;
  DType dtype_;
  bool poison_;
  std::vector<void*> pointers_;
};

bool writes_in_place(const LossProblem& p) {
  return p.gradient == GradientMode::kInPlace || p.gradient == GradientMode::kInPlaceSparse;
}

template <class T>
const T* pointer_or_null(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

// What both backends are given, but for where the arrays are.
template <class Place>
void place_inputs(const SmallCase& small, DType dtype, LossProblem& p, const Place& place) {
  p = small.problem;
  p.dtype = dtype;
  p.targets = place(small.targets);
  p.token_weights = place(small.token_weights);
  p.penalty_weights = place(small.penalty_weights);
  p.grad_output_rows = place(small.grad_output_rows);
  p.allowed_offsets = place(small.allowed_offsets);
  p.allowed_tokens = place(small.allowed_tokens);
  p.allowed_bitmask = place(small.allowed_bitmask);
}

// Somebody writes over the first token of the lists. Whatever the kernels make of it, it is inside of the row.
cudaError_t change_list(const LossProblem& problem) {
  const auto outside = static_cast<std::int32_t>(problem.vocab_size + 1000);
  return cudaMemcpy(const_cast<std::int32_t*>(problem.allowed_tokens), &outside, sizeof outside,
                    cudaMemcpyHostToDevice);
}

cudaError_t enqueue_in_parts(cuda::DeviceProblem call, const cuda::Workspace& workspace, const SmallCase& small) {
  const LossProblem whole = call.problem;
  void* const whole_gradient = call.outputs.grad_logits;
  const std::int64_t step = small.chunk_rows > 0 ? small.chunk_rows : whole.rows;
  const auto enqueue_pass = [&](cuda::Pass pass) {
    for (std::int64_t first = 0; first < whole.rows; first += step) {
      const std::int64_t bytes = first * whole.row_stride * element_size(whole.dtype);
      call.problem.logits = static_cast<const char*>(whole.logits) + bytes;
      if (whole_gradient != nullptr) call.outputs.grad_logits = static_cast<char*>(whole_gradient) + bytes;
      const std::int64_t count = std::min(step, whole.rows - first);
      const cudaError_t error = cuda::enqueue_rows(call, workspace, nullptr, small.properties, {first, count}, pass);
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  };
  cudaError_t error = cuda::enqueue_begin(call, workspace, nullptr);
  if (error == cudaSuccess) error = enqueue_pass(small.separate_passes ? cuda::Pass::kStatistics : cuda::Pass::kFused);
  if (error == cudaSuccess) error = cuda::enqueue_end(call, workspace, nullptr, small.properties);
  if (error == cudaSuccess && small.list_changes) error = change_list(whole);
  if (error == cudaSuccess && small.separate_passes) error = enqueue_pass(cuda::Pass::kGradient);
  return error;
}

bool close(double got, double expected, double tolerance) {
  if (std::isnan(expected)) return std::isnan(got);
  if (std::isinf(expected)) return got == expected;
  return std::fabs(got - expected) <= tolerance * std::fmax(1, std::fabs(expected));
}

} // namespace

struct SmallCaseCheck::Results {
  Results(const SmallCase& small, DType dtype)
      : logits(dtype, logit_count(small)),
        gradient(dtype, logit_count(small), kUntouched),
        rows(static_cast<std::size_t>(small.problem.rows)),
        row_losses(rows, kUntouched),
        ranks(rows, -7) {
    for (auto& statistic : statistics) statistic.assign(rows, kUntouched);
    const LossProblem& p = small.problem;
    for (std::int64_t row = 0; row < p.rows; ++row) {
      for (std::int64_t token = 0; token < p.row_stride; ++token) {
        const auto at = static_cast<std::size_t>(small.shift + row * p.row_stride + token);
        logits.set(
            at, token < p.vocab_size ? small.logits[static_cast<std::size_t>(row * p.vocab_size + token)] : kUntouched);
      }
    }
  }
  static std::size_t logit_count(const SmallCase& small) {
    return static_cast<std::size_t>(small.shift + small.problem.rows * small.problem.row_stride);
  }

  Elements logits;
  Elements gradient;
  std::size_t rows;
  std::vector<float> statistics[kStatistics];
  std::vector<float> row_losses;
  std::vector<std::int32_t> ranks;
  LossSummary summary;
  ProblemFault fault;
};

SmallCaseCheck::Results SmallCaseCheck::run_on_cpu(const SmallCase& small, DType dtype) {
  Results results(small, dtype);
  LossProblem p;
  place_inputs(small, dtype, p, [](const auto& values) { return pointer_or_null(values); });
  results.fault = find_fault(p, static_cast<std::int64_t>(small.allowed_tokens.size()));
  if (small.faulty) return results;
  const std::int64_t shift_bytes = small.shift * element_size(dtype);
  p.threads = 1;
  p.logits = static_cast<char*>(results.logits.data()) + shift_bytes;
  LossOutputs out;
  Elements& gradient = writes_in_place(p) ? results.logits : results.gradient;
  if (p.gradient != GradientMode::kNone) out.grad_logits = static_cast<char*>(gradient.data()) + shift_bytes;
  out.grad_row_stride = p.row_stride;
  if (p.reduction == Reduction::kNone) out.row_losses = results.row_losses.data();
  out.nll = results.statistics[0].data();
  out.log_sum_exp = results.statistics[1].data();
  out.threshold = results.statistics[2].data();
  out.margin = results.statistics[3].data();
  out.penalty = results.statistics[4].data();
  if (!small.without_ranks) out.rank = results.ranks.data();
  cpu_backend().compute(p, out, results.summary, nullptr);
  return results;
}

SmallCaseCheck::Results SmallCaseCheck::run_on_device(const SmallCase& small, DType dtype, const DeviceRun& how) {
  Results results(small, dtype);
  const std::size_t rows = results.rows;
  DeviceArrays arrays(small, dtype, how.poison);
  cuda::DeviceProblem call;
  LossProblem& p = call.problem;
  place_inputs(small, dtype, p, [&](const auto& values) { return arrays.copy(values); });
  call.allowed_token_count = static_cast<std::int64_t>(small.allowed_tokens.size());
  char* const logits = arrays.copy(static_cast<char*>(results.logits.data()), results.logits.bytes());
  char* const gradient = arrays.allocate<char>(results.gradient.bytes());
  arrays.must("copy to the device",
              cudaMemcpy(gradient, results.gradient.data(), results.gradient.bytes(), cudaMemcpyHostToDevice));
  const std::int64_t shift_bytes = small.shift * element_size(dtype);
  p.logits = logits + shift_bytes;
  LossOutputs& out = call.outputs;
  if (p.gradient != GradientMode::kNone) out.grad_logits = (writes_in_place(p) ? logits : gradient) + shift_bytes;
  out.grad_row_stride = p.row_stride;
  float* statistics[kStatistics];
  for (float*& statistic : statistics) statistic = arrays.allocate<float>(rows);
  out.nll = statistics[0];
  out.log_sum_exp = statistics[1];
  out.threshold = statistics[2];
  out.margin = statistics[3];
  out.penalty = statistics[4];
  if (!small.without_ranks) out.rank = arrays.allocate<std::int32_t>(rows);
  if (p.reduction == Reduction::kNone) out.row_losses = arrays.allocate<float>(rows);
  call.loss = arrays.allocate<float>(1);
  const cuda::Workspace workspace = cuda::workspace_at(arrays.allocate<char>(cuda::workspace_bytes(p.rows)), p.rows);

  const bool in_parts = small.separate_passes || small.chunk_rows > 0;
  arrays.must("launch", in_parts ? enqueue_in_parts(call, workspace, small)
                                 : cuda::enqueue_loss(call, workspace, nullptr, small.properties));
  arrays.must("kernels", cudaDeviceSynchronize());
  if (how.after_kernels) how.after_kernels(small, dtype, p.logits);

  cuda::DeviceSummary summary;
  arrays.download(&summary, workspace.summary, 1);
  results.fault = {static_cast<ProblemError>(summary.fault_error), summary.fault_row, summary.fault_value};
  results.summary.loss = summary.loss;
  results.summary.counted_rows = summary.counted_rows;
  results.summary.pruned_rows = summary.pruned_rows;
  results.summary.top_ranked_rows = summary.top_ranked_rows;
  std::vector<std::uint8_t> flags(rows);
  arrays.download(flags.data(), workspace.flags, rows);
  for (std::size_t row = 0; row < rows; ++row) {
    if ((flags[row] & cuda::kRowNonFinite) != 0)
      results.summary.non_finite_rows.push_back(static_cast<std::int64_t>(row));
  }
  if (summary.non_finite_rows != static_cast<std::int64_t>(results.summary.non_finite_rows.size())) {
    fail(small, dtype, "rows that are not finite", static_cast<double>(summary.non_finite_rows),
         static_cast<double>(results.summary.non_finite_rows.size()));
  }
  for (int i = 0; i < kStatistics; ++i) arrays.download(results.statistics[i].data(), statistics[i], rows);
  if (out.rank != nullptr) arrays.download(results.ranks.data(), out.rank, rows);
  if (out.row_losses != nullptr) arrays.download(results.row_losses.data(), out.row_losses, rows);
  arrays.download<char>(static_cast<char*>(results.logits.data()), logits, results.logits.bytes());
  arrays.download(static_cast<char*>(results.gradient.data()), gradient, results.gradient.bytes());
  float loss = 0;
  if (p.reduction != Reduction::kNone) {
    arrays.download(&loss, call.loss, 1);
    const auto expected = static_cast<float>(summary.loss);
    if (std::memcmp(&loss, &expected, sizeof loss) != 0 && loss == loss)
      fail(small, dtype, "the loss as a float", loss, expected);
  }
  return results;
}

void SmallCaseCheck::compare(const SmallCase& small, DType dtype, const Results& got, const Results& expected) {
  const auto equal = [&](const char* what, double a, double b) {
    if (a != b) fail(small, dtype, what, a, b);
  };
  equal("fault", static_cast<double>(got.fault.error), static_cast<double>(expected.fault.error));
  equal("row of the fault", static_cast<double>(got.fault.row), static_cast<double>(expected.fault.row));
  equal("value of the fault", static_cast<double>(got.fault.value), static_cast<double>(expected.fault.value));
  if (small.faulty) {
    const auto row = static_cast<std::size_t>(expected.fault.row);
    if (!std::isnan(got.statistics[0][row])) fail(small, dtype, "nll of the faulty row", got.statistics[0][row], NAN);
    return;
  }
  equal("counted rows", static_cast<double>(got.summary.counted_rows),
        static_cast<double>(expected.summary.counted_rows));
  equal("pruned rows", static_cast<double>(got.summary.pruned_rows), static_cast<double>(expected.summary.pruned_rows));
  equal("top ranked rows", static_cast<double>(got.summary.top_ranked_rows),
        static_cast<double>(expected.summary.top_ranked_rows));
  if (got.summary.non_finite_rows != expected.summary.non_finite_rows)
    fail(small, dtype, "rows that are not finite", 0, 0);
  if (!close(got.summary.loss, expected.summary.loss, 1e-5)) {
    fail(small, dtype, "loss", got.summary.loss, expected.summary.loss);
  }
  static const char* const kNames[kStatistics] = {"nll", "log-sum-exp", "threshold", "margin", "penalty"};
  for (std::size_t row = 0; row < got.rows; ++row) {
    for (int i = 0; i < kStatistics; ++i) {
      if (!close(got.statistics[i][row], expected.statistics[i][row], 1e-5)) {
        fail(small, dtype, kNames[i], got.statistics[i][row], expected.statistics[i][row]);
      }
    }
    equal("rank", got.ranks[row], expected.ranks[row]);
    if (!close(got.row_losses[row], expected.row_losses[row], 1e-5)) {
      fail(small, dtype, "row loss", got.row_losses[row], expected.row_losses[row]);
    }
  }
  if (small.list_changes) return;
  // Padding and what a sparse gradient leaves out are compared as well: nobody may have touched them.
  const double tolerance = dtype == DType::kFloat32 ? 5e-6 : dtype == DType::kBFloat16 ? 8e-3 : 1e-3;
  for (std::size_t i = 0; i < Results::logit_count(small); ++i) {
    if (!close(got.gradient.get(i), expected.gradient.get(i), tolerance)) {
      fail(small, dtype, "gradient", got.gradient.get(i), expected.gradient.get(i));
    }
    if (!close(got.logits.get(i), expected.logits.get(i), writes_in_place(small.problem) ? tolerance : 0)) {
      fail(small, dtype, "logits", got.logits.get(i), expected.logits.get(i));
    }
  }
}

SmallCaseCheck::SmallCaseCheck(const SmallCase& small, DType dtype)
    : small_(small), dtype_(dtype), expected_(std::make_shared<const Results>(run_on_cpu(small, dtype))) {}

void SmallCaseCheck::run(const DeviceRun& how) const {
  compare(small_, dtype_, run_on_device(small_, dtype_, how), *expected_);
}

} // namespace fused_bear_loss::mutation
