#include "native/cuda/staged_loss.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "native/core/dtype.h"
#include "native/cuda/cuda_status.h"
#include "native/cuda/device_storage.h"
#include "native/cuda/launch_loss.h"
#include "native/cuda/loss_report.h"
#include "native/cuda/transfers.h"

namespace fused_bear_loss::cuda {
namespace {

// One chunk is filled or emptied by the host while another is on the bus and a third in the kernel.
constexpr std::int64_t kMostSlots = 3;
constexpr std::int64_t kDefaultChunkBytes = std::int64_t{32} << 20;
constexpr std::int64_t kRowAlignment = 16; // bytes; what the kernels load at a time

// Room for one chunk of rows, on both sides, and the stream that its work is on.
struct Slot {
  Slot(Device& device, std::size_t bytes)
      : stream(Stream::create(device.index)),
        logits(Storage::allocate(device, bytes, stream)),
        pinned(device, bytes),
        use(stream) {
    use.touch(*logits);
    use.touch(pinned);
  }

  std::shared_ptr<Stream> stream;
  std::shared_ptr<Storage> logits; // and then the gradient, in place
  PinnedBuffer pinned;             // likewise
  StreamUse use;                   // of both
  RowRange rows;
  std::shared_ptr<Event> done; // set while a chunk is under way
};

class StagedLoss {
 public:
  StagedLoss(Device& device, const LossProblem& problem, const LossOutputs& outputs)
      : device_(device),
        problem_(problem),
        outputs_(outputs),
        element_bytes_(element_size(problem.dtype)),
        stream_(Stream::create(device.index)),
        use_(stream_) {
    plan_chunks();
    allocate();
  }

  // Whatever happened, the memory that all chunks share must not be handed out before the last of them is done with it.
  ~StagedLoss() {
    for (const std::unique_ptr<Slot>& slot : slots_) {
      try {
        stream_->wait_for(*slot->use.done());
      } catch (const std::exception&) { // no event can be had
        slot->stream->drain();
      }
    }
    try {
      use_.done();
    } catch (const std::exception&) {
      stream_->drain();
      use_.ended();
    }
  }

  StagedLoss(const StagedLoss&) = delete;
  StagedLoss& operator=(const StagedLoss&) = delete;

  ComputeStatus run(LossSummary& summary, const std::atomic<std::int32_t>* abort) {
    const DeviceScope scope(device_.index);
    abort_ = abort;
    check(enqueue_begin(call_, workspace(), stream_->handle()), Operation::kLaunch);
    begun_ = stream_->record();
    const bool wants_gradient = problem_.gradient != GradientMode::kNone;
    if (problem_.reduction == Reduction::kWeightedMean && wants_gradient) {
      if (!sweep(Pass::kStatistics, true)) return ComputeStatus::kAborted;
      finish_sweep();
      begun_ = stream_->record(); // the divisor is known from here on
      // Chunks that each have a slot are still there.
      if (!sweep(Pass::kGradient, chunk_count() > slot_count())) return ComputeStatus::kAborted;
    } else {
      if (!sweep(wants_gradient ? Pass::kFused : Pass::kStatistics, true)) return ComputeStatus::kAborted;
      finish_sweep();
    }
    return collect_results(summary);
  }

 private:
  std::int64_t chunk_count() const { return (problem_.rows + chunk_rows_ - 1) / chunk_rows_; }
  std::int64_t slot_count() const { return static_cast<std::int64_t>(slots_.size()); }
  std::size_t row_bytes() const { return static_cast<std::size_t>(problem_.vocab_size * element_bytes_); }
  std::size_t pitch_bytes() const { return static_cast<std::size_t>(pitch_ * element_bytes_); }
  Workspace workspace() const { return workspace_at(workspace_->data(), problem_.rows); }

  void plan_chunks() {
    const std::int64_t row_elements = kRowAlignment / element_bytes_;
    pitch_ = (problem_.vocab_size + row_elements - 1) / row_elements * row_elements;
    const std::int64_t rows = staging_chunk_bytes() / (pitch_ * element_bytes_);
    chunk_rows_ = std::clamp<std::int64_t>(rows, 1, problem_.rows);
  }

  // All memory of the call, on the device and on the host: once this is done, only the device itself can fail.
  void allocate() {
    const std::int64_t rows = problem_.rows;
    call_.problem = problem_;
    LossProblem& on_device = call_.problem;
    upload_array(on_device.targets, rows);
    upload_array(on_device.token_weights, rows);
    upload_array(on_device.penalty_weights, rows);
    upload_array(on_device.grad_output_rows, rows);
    if (problem_.allowed_offsets != nullptr) call_.allowed_token_count = problem_.allowed_offsets[rows];
    upload_array(on_device.allowed_offsets, rows + 1);
    upload_array(on_device.allowed_tokens, call_.allowed_token_count);
    upload_array(on_device.allowed_bitmask, rows * bitmask_words(problem_.vocab_size));
    on_device.row_stride = pitch_;
    if (problem_.gradient == GradientMode::kOutOfPlace) on_device.gradient = GradientMode::kInPlace;

    call_.outputs.grad_row_stride = pitch_;
    for (const RowOutput& output : row_outputs(outputs_)) {
      if (output.host != nullptr)
        row_storages_.push_back(allocate_rows(sizeof(float)));
      else
        row_storages_.push_back(nullptr);
    }
    point_row_outputs();
    workspace_ = Storage::allocate(device_, workspace_bytes(rows), stream_);
    use_.touch(*workspace_);
    for (const auto& storages : {input_storages_, row_storages_}) {
      for (const std::shared_ptr<Storage>& storage : storages) {
        if (storage != nullptr) use_.touch(*storage);
      }
    }

    const std::int64_t slots = std::min(kMostSlots, chunk_count());
    for (std::int64_t i = 0; i < slots; ++i) {
      slots_.push_back(std::make_unique<Slot>(device_, static_cast<std::size_t>(chunk_rows_) * pitch_bytes()));
    }
    if (problem_.gradient != GradientMode::kNone && !outputs_.grad_is_new) {
      gradient_.reset(new char[static_cast<std::size_t>(rows) * row_bytes()]);
    }
  }

  // Makes `array` point to a copy on the device; null stays null.
  template <class T>
  void upload_array(const T*& array, std::int64_t count) {
    if (array == nullptr) return;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    input_storages_.push_back(Storage::allocate(device_, bytes, stream_));
    upload(*input_storages_.back(), array, bytes, stream_);
    array = static_cast<const T*>(input_storages_.back()->data());
  }

  std::shared_ptr<Storage> allocate_rows(std::size_t element) {
    return Storage::allocate(device_, static_cast<std::size_t>(problem_.rows) * element, stream_);
  }

  struct RowOutput {
    void* host;
  };
  static std::vector<RowOutput> row_outputs(const LossOutputs& outputs) {
    return {{outputs.row_losses}, {outputs.nll},     {outputs.log_sum_exp}, {outputs.threshold},
            {outputs.margin},     {outputs.penalty}, {outputs.rank}};
  }
  void point_row_outputs() {
    const auto at = [this](std::size_t i) { return row_storages_[i] == nullptr ? nullptr : row_storages_[i]->data(); };
    LossOutputs& outputs = call_.outputs;
    outputs.row_losses = static_cast<float*>(at(0));
    outputs.nll = static_cast<float*>(at(1));
    outputs.log_sum_exp = static_cast<float*>(at(2));
    outputs.threshold = static_cast<float*>(at(3));
    outputs.margin = static_cast<float*>(at(4));
    outputs.penalty = static_cast<float*>(at(5));
    outputs.rank = static_cast<std::int32_t*>(at(6));
  }

  bool is_aborted() const { return abort_ != nullptr && abort_->load(std::memory_order_relaxed) != 0; }

  // False where it was aborted.
  bool sweep(Pass pass, bool upload_logits) {
    for (const std::unique_ptr<Slot>& slot : slots_) slot->stream->wait_for(*begun_);
    for (std::int64_t chunk = 0; chunk < chunk_count(); ++chunk) {
      if (is_aborted()) return false;
      Slot& slot = *slots_[static_cast<std::size_t>(chunk % slot_count())];
      collect(slot, pass);
      const std::int64_t first = chunk * chunk_rows_;
      slot.rows = {first, std::min(chunk_rows_, problem_.rows - first)};
      start(slot, pass, upload_logits);
    }
    for (const std::unique_ptr<Slot>& slot : slots_) collect(*slot, pass);
    return !is_aborted();
  }

  // Enqueues all work of the slot's chunk.
  void start(Slot& slot, Pass pass, bool upload_logits) {
    const std::size_t bytes = static_cast<std::size_t>(slot.rows.count) * pitch_bytes();
    if (upload_logits) {
      gather(slot);
      check(cudaMemcpyAsync(slot.logits->data(), slot.pinned.data(), bytes, cudaMemcpyHostToDevice,
                            slot.stream->handle()));
    }
    DeviceProblem chunk = call_;
    chunk.problem.logits = slot.logits->data();
    if (chunk.problem.gradient != GradientMode::kNone) chunk.outputs.grad_logits = slot.logits->data();
    check(enqueue_rows(chunk, workspace(), slot.stream->handle(), device_.properties, slot.rows, pass),
          Operation::kLaunch);
    if (pass != Pass::kStatistics) {
      check(cudaMemcpyAsync(slot.pinned.data(), slot.logits->data(), bytes, cudaMemcpyDeviceToHost,
                            slot.stream->handle()));
    }
    slot.done = slot.stream->record();
  }

  // The logits of the slot's rows, packed to the device's pitch.
  void gather(Slot& slot) const {
    const auto* const source = static_cast<const char*>(problem_.logits);
    for (std::int64_t row = 0; row < slot.rows.count; ++row) {
      std::memcpy(slot.pinned.data() + static_cast<std::size_t>(row) * pitch_bytes(),
                  source + (slot.rows.first + row) * problem_.row_stride * element_bytes_, row_bytes());
    }
  }

  // Waits for the slot's chunk, if there is one, and takes its gradient.
  void collect(Slot& slot, Pass pass) {
    if (slot.done == nullptr) return;
    slot.done->synchronize();
    slot.done.reset();
    if (pass == Pass::kStatistics) return;
    for (std::int64_t row = 0; row < slot.rows.count; ++row) {
      std::memcpy(gradient_row(slot.rows.first + row),
                  slot.pinned.data() + static_cast<std::size_t>(row) * pitch_bytes(), row_bytes());
    }
  }

  char* gradient_row(std::int64_t row) const {
    if (gradient_ != nullptr) return gradient_.get() + static_cast<std::size_t>(row) * row_bytes();
    return callers_gradient_row(row);
  }

  char* callers_gradient_row(std::int64_t row) const {
    return static_cast<char*>(outputs_.grad_logits) + row * outputs_.grad_row_stride * element_bytes_;
  }

  void finish_sweep() {
    for (const std::unique_ptr<Slot>& slot : slots_) stream_->wait_for(*slot->stream->record());
    check(enqueue_end(call_, workspace(), stream_->handle(), device_.properties), Operation::kLaunch);
    use_.done();
  }

  // Everything that can fail comes before the caller's memory is written.
  ComputeStatus collect_results(LossSummary& summary) {
    std::vector<std::vector<char>> rows;
    for (const std::shared_ptr<Storage>& storage : row_storages_) {
      rows.emplace_back(storage == nullptr ? 0 : static_cast<std::size_t>(problem_.rows) * sizeof(float));
      if (storage != nullptr) download(*storage, 0, rows.back().data(), rows.back().size());
    }
    summary = read_report(*workspace_, problem_.rows).summary;
    if (is_aborted()) return ComputeStatus::kAborted;

    const std::vector<RowOutput> destinations = row_outputs(outputs_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (destinations[i].host != nullptr) std::memcpy(destinations[i].host, rows[i].data(), rows[i].size());
    }
    if (gradient_ != nullptr) {
      for (std::int64_t row = 0; row < problem_.rows; ++row) {
        std::memcpy(callers_gradient_row(row), gradient_row(row), row_bytes());
      }
    }
    return ComputeStatus::kOk;
  }

  Device& device_;
  const LossProblem& problem_; // of the host
  const LossOutputs& outputs_;
  const std::int64_t element_bytes_;
  const std::shared_ptr<Stream> stream_; // what comes before and after the chunks
  const std::atomic<std::int32_t>* abort_ = nullptr;

  std::int64_t pitch_ = 0; // elements from row to row on the device
  std::int64_t chunk_rows_ = 0;

  DeviceProblem call_; // without the logits, which differ from chunk to chunk
  std::vector<std::shared_ptr<Storage>> input_storages_;
  std::vector<std::shared_ptr<Storage>> row_storages_; // null where the caller does not ask
  std::shared_ptr<Storage> workspace_;
  std::vector<std::unique_ptr<Slot>> slots_;
  StreamUse use_; // of the storages above
  std::shared_ptr<Event> begun_;
  std::unique_ptr<char[]> gradient_; // until all is well; null where it may go to its place at once
};

} // namespace

std::int64_t staging_chunk_bytes() {
  const char* const variable = std::getenv("FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES");
  const long long bytes = variable == nullptr ? 0 : std::atoll(variable);
  return bytes > 0 ? bytes : kDefaultChunkBytes;
}

ComputeStatus compute_staged(Device& device, const LossProblem& problem, const LossOutputs& outputs,
                             LossSummary& summary, const std::atomic<std::int32_t>* abort) {
  summary = LossSummary{};
  if (problem.rows == 0) return ComputeStatus::kOk;
  try {
    return StagedLoss(device, problem, outputs).run(summary, abort);
  } catch (const std::bad_alloc&) {
    return ComputeStatus::kOutOfMemory;
  }
}

} // namespace fused_bear_loss::cuda
