#include "native/binding/async_loss.h"

#include <new>
#include <utility>

#include "native/binding/loss_outcome.h"

namespace fused_bear_loss {
namespace {

// The flag is four bytes of a SharedArrayBuffer that JavaScript writes with Atomics.store. Null where there is none.
std::atomic<std::int32_t>* flag_memory(const Napi::Value& flag) {
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
  return static_cast<std::atomic<std::int32_t>*>(data);
}

} // namespace

AsyncLoss::AsyncLoss(std::unique_ptr<LossJob> job, const Napi::Array& arrays, const LossCall& call,
                     const Napi::Value& abort_flag, const Napi::Function& done)
    : BackgroundCall(done),
      job_(std::move(job)),
      arrays_(Napi::Persistent(arrays.As<Napi::Object>())),
      problem_(call.problem),
      grad_row_stride_(call.outputs.grad_row_stride),
      gradient_length_(call.gradient_length),
      abort_(flag_memory(abort_flag)) {
  if (abort_ == nullptr) {
    abort_ = &own_abort_;
  } else {
    flag_ = Napi::Persistent(abort_flag.As<Napi::Object>());
  }
}

void AsyncLoss::run() noexcept {
  try {
    status_ = job_->run(abort_);
  } catch (const DeviceError& error) {
    device_error_.emplace(error);
  } catch (const std::bad_alloc&) {
    status_ = ComputeStatus::kOutOfMemory;
  }
}

Napi::Value AsyncLoss::settle(Napi::Env env) {
  if (device_error_) return device_error_outcome(env, *device_error_);
  // An abort after the last row still keeps the promise that nothing is written.
  const bool is_aborted = abort_->load(std::memory_order_relaxed) != 0;
  if (status_ == ComputeStatus::kOk && is_aborted) status_ = ComputeStatus::kAborted;
  if (status_ == ComputeStatus::kOk) {
    const auto arrays = arrays_.Value().As<Napi::Array>();
    if (problem_.gradient != GradientMode::kNone && current_gradient_length(arrays) != gradient_length_) {
      return plain_outcome(env, "detached");
    }
    std::size_t length = 0;
    job_->copy_outputs(read_outputs(arrays, problem_, grad_row_stride_, length));
  }
  return outcome_of(env, status_, job_->summary());
}

} // namespace fused_bear_loss
