#include "native/binding/async_loss.h"

#include <utility>

#include "native/binding/loss_outcome.h"

namespace fused_bear_loss {
namespace {

// Half of libuv's threads as they are by default. Two, not one, so that one call computes while another's gradient is
// copied out.
constexpr int kMostRunning = 2;

// The flag is four bytes of a SharedArrayBuffer that JavaScript writes with Atomics.store.
const std::atomic<std::int32_t>* flag_memory(const Napi::Value& flag) {
  static_assert(
      sizeof(std::atomic<std::int32_t>) == sizeof(std::int32_t) && std::atomic<std::int32_t>::is_always_lock_free,
      "Atomics.store and std::atomic must mean the same memory");
  if (flag.IsUndefined()) return nullptr;
  void* data = nullptr;
  std::size_t length = 0;
  napi_typedarray_type type = napi_uint8_array;
  const napi_status status = napi_get_typedarray_info(flag.Env(), flag, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_int32_array || length < 1) {
    throw Napi::Error::New(flag.Env(), "fused-bear-loss: malformed abort flag");
  }
  return static_cast<const std::atomic<std::int32_t>*>(data);
}

bool is_set(const std::atomic<std::int32_t>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed) != 0;
}

// Writes the caller's outputs, unless the call was aborted or their memory is no longer what it was.
Napi::Object settle(Napi::Env env, const AsyncLoss& loss, ComputeStatus status) {
  // An abort after the last row still keeps the promise that nothing is written.
  if (status == ComputeStatus::kOk && is_set(loss.abort)) status = ComputeStatus::kAborted;
  if (status == ComputeStatus::kOk) {
    const auto arrays = loss.arrays.Value().As<Napi::Array>();
    if (loss.problem.gradient != GradientMode::kNone && current_gradient_length(arrays) != loss.gradient_length) {
      return plain_outcome(env, "detached");
    }
    std::size_t length = 0;
    loss.job->copy_outputs(read_outputs(arrays, loss.problem, loss.grad_row_stride, length));
  }
  return outcome_of(env, status, loss.job->summary());
}

} // namespace

AsyncLoss::AsyncLoss(std::unique_ptr<LossJob> work, const Napi::Array& call_arrays, const LossCall& call,
                     const Napi::Value& abort_flag, const Napi::Function& done_callback)
    : job(std::move(work)),
      arrays(Napi::Persistent(call_arrays.As<Napi::Object>())),
      problem(call.problem),
      grad_row_stride(call.outputs.grad_row_stride),
      gradient_length(call.gradient_length),
      abort(flag_memory(abort_flag)),
      done(Napi::Persistent(done_callback)) {
  if (abort != nullptr) flag = Napi::Persistent(abort_flag.As<Napi::Object>());
}

class AsyncLossQueue::Worker final : public Napi::AsyncWorker {
 public:
  Worker(Napi::Env env, AsyncLossQueue& queue, std::unique_ptr<AsyncLoss> loss)
      : Napi::AsyncWorker(env, "fused-bear-loss"), queue_(queue), loss_(std::move(loss)) {}

 protected:
  void Execute() override {
    try {
      status_ = loss_->job->run(loss_->abort);
    } catch (const DeviceError& error) {
      device_error_ = std::make_unique<DeviceError>(error);
    }
  }

  // Throws where JavaScript cannot run any more, because its worker is being terminated: then nothing else is started,
  // and what still waits goes with the queue.
  void OnOK() override {
    const Napi::Env env = Env();
    --queue_.running_;
    loss_->done.Call({device_error_ ? device_error_outcome(env, *device_error_) : settle(env, *loss_, status_)});
    queue_.start_next(env);
  }

 private:
  AsyncLossQueue& queue_;
  std::unique_ptr<AsyncLoss> loss_;
  ComputeStatus status_ = ComputeStatus::kOk;
  std::unique_ptr<DeviceError> device_error_; // in place of a status
};

void AsyncLossQueue::add(Napi::Env env, std::unique_ptr<AsyncLoss> loss) {
  waiting_.push_back(std::move(loss));
  start_next(env);
}

void AsyncLossQueue::start_next(Napi::Env env) {
  if (waiting_.empty() || running_ >= kMostRunning) return;
  auto* const worker = new Worker(env, *this, std::move(waiting_.front())); // deletes itself when it is done
  waiting_.pop_front();
  ++running_;
  worker->Queue();
}

} // namespace fused_bear_loss
