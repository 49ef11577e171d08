#include <algorithm>
#include <memory>
#include <stdexcept>

#include "benchmarks/device-check/native/device.h"
#include "benchmarks/device-check/native/inputs.h"
#include "benchmarks/device-check/native/prepared.h"
#include "benchmarks/device-check/native/read_kernel.h"
#include "benchmarks/device-check/native/record.h"
#include "benchmarks/device-check/native/steps.h"
#include "native/cuda/launch_loss.h"

namespace fused_bear_loss::device_check {
namespace {

// Inputs and outputs rotate over so many buffers, or more where they are small.
constexpr std::int64_t kFewestBuffers = 3;
constexpr std::int64_t kMostBuffers = 32;

double median(std::vector<float> samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

// Milliseconds of one of `inner` calls of `run(i)`: the median of `samples`, after one round that is not timed.
template <class Run>
double time_of(int samples, int inner, const Run& run) {
  std::vector<float> times;
  const Event begin;
  const Event end;
  int turn = 0;
  for (int sample = -1; sample < samples; ++sample) {
    begin.record();
    for (int i = 0; i < inner; ++i) run(turn++);
    end.record();
    const float milliseconds = begin.milliseconds_until(end) / static_cast<float>(inner);
    if (sample >= 0) times.push_back(milliseconds);
  }
  return median(times);
}

struct NamedLoss {
  std::string name;
  LossProblem problem; // options alone
};

NamedLoss parse_loss(const std::string& text) {
  const std::vector<std::string> parts = split(text, ',');
  if (parts.size() != 5) throw std::invalid_argument("a loss is name,penalty,lambda,beamWidth,0 or 1, not " + text);
  NamedLoss loss;
  loss.name = parts[0];
  if (parts[1] != "hinge" && parts[1] != "none") throw std::invalid_argument("no penalty of this check: " + parts[1]);
  loss.problem.penalty = parts[1] == "hinge" ? Penalty::kHinge : Penalty::kNone;
  loss.problem.lambda = std::stod(parts[2]);
  loss.problem.beam_width = std::stoll(parts[3]);
  loss.problem.pruning_statistics = parts[4] == "1";
  return loss;
}

enum class PassKind { kForward, kOutOfPlace, kInPlace };
constexpr PassKind kPasses[] = {PassKind::kForward, PassKind::kOutOfPlace, PassKind::kInPlace};
const char* pass_name(PassKind pass) {
  return pass == PassKind::kForward ? "forward" : pass == PassKind::kOutOfPlace ? "out of place" : "in place";
}
GradientMode gradient_of(PassKind pass) {
  return pass == PassKind::kForward      ? GradientMode::kNone
         : pass == PassKind::kOutOfPlace ? GradientMode::kOutOfPlace
                                         : GradientMode::kInPlace;
}

// The buffers of a shape, and its calls.
class Bench {
 public:
  Bench(const Shape& shape, const PreparedDevice& device)
      : shape_(shape),
        properties_(device.properties),
        pristine_(shape.bytes()),
        targets_(static_cast<std::size_t>(shape.rows) * sizeof(std::int32_t)),
        memory_(cuda::workspace_bytes(shape.rows)),
        loss_(sizeof(float)) {
    fill_logits(pristine_, shape);
    const std::vector<std::int32_t> targets = targets_of(shape);
    targets_.upload(targets.data(), targets.size() * sizeof(std::int32_t));
    const std::int64_t beyond_cache = 4 * device.limits.l2CacheSize / static_cast<std::int64_t>(shape.bytes()) + 1;
    const std::int64_t count = std::clamp(beyond_cache, kFewestBuffers, kMostBuffers);
    for (std::int64_t i = 0; i < count; ++i) {
      logits_.emplace_back(shape.bytes());
      gradients_.emplace_back(shape.bytes());
    }
    restore();
  }

  void restore() const {
    for (const DeviceBuffer& each : logits_) {
      must("copy on the device", cudaMemcpy(each.as(), pristine_.as(), shape_.bytes(), cudaMemcpyDeviceToDevice));
    }
  }
  int buffers() const { return static_cast<int>(logits_.size()); }

  void enqueue(const LossProblem& options, PassKind pass, int turn) const {
    const cuda::DeviceProblem call = call_of(options, pass, turn);
    must("loss", cuda::enqueue_loss(call, workspace(), nullptr, properties_));
  }

  struct Parts {
    double begin;
    double rows;
    double end;
  };
  // Kernels apart: events between them cost a little, so their sum is more than a call.
  Parts time_parts(const LossProblem& options, PassKind pass, int samples) const {
    std::vector<float> begin;
    std::vector<float> rows;
    std::vector<float> end;
    const Event events[4];
    for (int turn = -1; turn < samples; ++turn) {
      if (pass == PassKind::kInPlace) restore();
      const cuda::DeviceProblem call = call_of(options, pass, turn + 1);
      events[0].record();
      must("begin", cuda::enqueue_begin(call, workspace(), nullptr));
      events[1].record();
      const cuda::RowRange all = {0, shape_.rows};
      must("rows", cuda::enqueue_rows(call, workspace(), nullptr, properties_, all, cuda::Pass::kFused));
      events[2].record();
      must("end", cuda::enqueue_end(call, workspace(), nullptr, properties_));
      events[3].record();
      const float parts[] = {events[0].milliseconds_until(events[1]), events[1].milliseconds_until(events[2]),
                             events[2].milliseconds_until(events[3])};
      if (turn < 0) continue;
      begin.push_back(parts[0]);
      rows.push_back(parts[1]);
      end.push_back(parts[2]);
    }
    return {median(begin), median(rows), median(end)};
  }

  // Whole calls, one after another. In place a call finds the gradient of the last round, so each round begins anew.
  double time_calls(const LossProblem& options, PassKind pass, int samples) const {
    if (pass != PassKind::kInPlace) {
      return time_of(samples, buffers(), [&](int turn) { enqueue(options, pass, turn); });
    }
    std::vector<float> times;
    const Event begin;
    const Event end;
    for (int sample = -1; sample < samples; ++sample) {
      restore();
      begin.record();
      for (int turn = 0; turn < buffers(); ++turn) enqueue(options, pass, turn);
      end.record();
      const float milliseconds = begin.milliseconds_until(end) / static_cast<float>(buffers());
      if (sample >= 0) times.push_back(milliseconds);
    }
    return median(times);
  }

  double last_loss() const {
    must("kernels", cudaDeviceSynchronize());
    return loss_.download<float>(1)[0];
  }

 private:
  cuda::Workspace workspace() const { return cuda::workspace_at(memory_.as(), shape_.rows); }

  cuda::DeviceProblem call_of(const LossProblem& options, PassKind pass, int turn) const {
    const auto at = static_cast<std::size_t>(turn) % logits_.size();
    cuda::DeviceProblem call;
    LossProblem& p = call.problem;
    p = options;
    p.rows = shape_.rows;
    p.vocab_size = p.row_stride = shape_.vocab_size;
    p.dtype = shape_.dtype;
    p.gradient = gradient_of(pass);
    p.logits = logits_[at].as();
    p.targets = targets_.as<std::int32_t>();
    if (pass == PassKind::kOutOfPlace) call.outputs.grad_logits = gradients_[at].as();
    if (pass == PassKind::kInPlace) call.outputs.grad_logits = logits_[at].as();
    call.outputs.grad_row_stride = shape_.vocab_size;
    call.loss = loss_.as<float>();
    return call;
  }

  Shape shape_;
  cuda::DeviceProperties properties_;
  DeviceBuffer pristine_;
  DeviceBuffer targets_;
  DeviceBuffer memory_;
  DeviceBuffer loss_;
  std::vector<DeviceBuffer> logits_;
  std::vector<DeviceBuffer> gradients_;
};

void report_shape(const Shape& shape, const std::vector<NamedLoss>& losses, int samples, const PreparedDevice& device) {
  const Bench bench(shape, device);
  for (const NamedLoss& loss : losses) {
    for (const PassKind pass : kPasses) {
      if (pass == PassKind::kInPlace) bench.restore();
      const double milliseconds = bench.time_calls(loss.problem, pass, samples);
      const Bench::Parts parts = bench.time_parts(loss.problem, pass, samples);
      const double value = bench.last_loss();
      if (pass == PassKind::kInPlace) bench.restore();
      Record("time")
          .add("contender", "fused-bear-loss")
          .add("dtype", dtype_name(shape.dtype))
          .add("rows", shape.rows)
          .add("vocabSize", shape.vocab_size)
          .add("loss", loss.name)
          .add("pass", pass_name(pass))
          .add("milliseconds", milliseconds)
          .add("beginMilliseconds", parts.begin)
          .add("rowsMilliseconds", parts.rows)
          .add("endMilliseconds", parts.end)
          .add("value", value);
    }
  }
}

} // namespace

bool measure_ceilings(const Arguments& arguments) {
  std::int64_t bytes = std::int64_t{1} << 30;
  int samples = 20;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--bytes") bytes = std::stoll(arguments.at(++i));
    if (arguments[i] == "--samples") samples = std::stoi(arguments.at(++i));
  }
  const PreparedDevice device = prepare_device();
  const Shape shape = {DType::kBFloat16, 1, bytes / 16 * 8};
  std::vector<DeviceBuffer> buffers;
  for (std::int64_t i = 0; i < kFewestBuffers; ++i) {
    buffers.emplace_back(shape.bytes());
    fill_logits(buffers.back(), shape);
  }
  const DeviceBuffer sink(sizeof(std::uint32_t));
  sink.poison();
  const auto buffer = [&](int turn) { return buffers[static_cast<std::size_t>(turn % kFewestBuffers)].as(); };
  const auto report = [&](const char* name, std::size_t moved, double milliseconds) {
    Record("ceiling")
        .add("name", name)
        .add("bytes", moved)
        .add("milliseconds", milliseconds)
        .add("gigabytesPerSecond", static_cast<double>(moved) / milliseconds / 1e6);
  };
  report("copy", 2 * shape.bytes(), time_of(samples, 3, [&](int turn) {
           must("copy on the device",
                cudaMemcpyAsync(buffer(turn + 1), buffer(turn), shape.bytes(), cudaMemcpyDeviceToDevice, nullptr));
         }));
  report("read", shape.bytes(), time_of(samples, 3, [&](int turn) {
           must("read", launch_read(buffer(turn), static_cast<std::int64_t>(shape.bytes()), sink.as<std::uint32_t>(),
                                    device.limits.multiProcessorCount));
         }));
  return true;
}

bool measure_times(const Arguments& arguments) {
  int samples = 7;
  std::vector<NamedLoss> losses;
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--samples") {
      samples = std::stoi(arguments.at(++i));
    } else if (arguments[i] == "--loss") {
      losses.push_back(parse_loss(arguments.at(++i)));
    } else {
      shapes.push_back(parse_shape(arguments[i]));
    }
  }
  const PreparedDevice device = prepare_device();
  for (const Shape& shape : shapes) {
    try {
      report_shape(shape, losses, samples, device);
    } catch (const CudaError& error) {
      if (error.status != cudaErrorMemoryAllocation) throw;
      const std::string name = std::string(dtype_name(shape.dtype)) + " " + std::to_string(shape.rows) + " x " +
                               std::to_string(shape.vocab_size);
      Record("skipped").add("name", name).add("reason", "the device's memory is too small");
    }
  }
  return true;
}

bool run_for_profiler(const Arguments& arguments) {
  const PreparedDevice device = prepare_device();
  for (const std::string& argument : arguments) {
    const std::size_t comma = argument.rfind(',');
    const std::string name = argument.substr(comma + 1);
    const auto pass =
        std::find_if(std::begin(kPasses), std::end(kPasses), [&](PassKind each) { return name == pass_name(each); });
    if (pass == std::end(kPasses)) throw std::invalid_argument("no pass: " + name);
    const Bench bench(parse_shape(argument.substr(0, comma)), device);
    bench.enqueue(LossProblem(), *pass, 0);
    must("kernels", cudaDeviceSynchronize());
    Record("profiled").add("name", argument);
  }
  return true;
}

} // namespace fused_bear_loss::device_check
