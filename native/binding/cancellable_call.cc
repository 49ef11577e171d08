#include "native/binding/cancellable_call.h"

#include "native/binding/loss_outcome.h"
#include "native/binding/typed_views.h"

namespace fused_bear_loss {
namespace {

// JavaScript reads and writes it with Atomics. Null where there is none.
std::atomic<std::int32_t>* state_memory(const Napi::Value& state) {
  static_assert(
      sizeof(std::atomic<std::int32_t>) == sizeof(std::int32_t) && std::atomic<std::int32_t>::is_always_lock_free,
      "Atomics.store and std::atomic must mean the same memory");
  const View view = optional_view_of(state.Env(), state, "state");
  return reinterpret_cast<std::atomic<std::int32_t>*>(typed_data<std::int32_t>(state.Env(), "state", view, 2));
}

} // namespace

std::int32_t read_lent_bits(const Napi::Value& value, std::int32_t limit) {
  std::int32_t bits = 0;
  if (napi_get_value_int32(value.Env(), value, &bits) != napi_ok || bits < 0 || bits >= limit) {
    throw malformed(value.Env(), "lent memory");
  }
  return bits;
}

CancellableCall::CancellableCall(const Napi::Array& arrays, const Napi::Value& state, const Napi::Function& done)
    : BackgroundCall(done), arrays_(Napi::Persistent(arrays.As<Napi::Object>())), state_(state_memory(state)) {
  if (state_ == nullptr) {
    state_ = own_state_;
  } else {
    shared_ = Napi::Persistent(state.As<Napi::Object>());
  }
}

void CancellableCall::work() {
  // This store and the job's load of the abort have one order with JavaScript's store of the abort and its load of
  // this: either the job does not begin, or JavaScript sees that it has.
  state_[1].store(1, std::memory_order_seq_cst);
  status_ = state_[0].load(std::memory_order_seq_cst) == 0 ? compute(state_) : ComputeStatus::kAborted;
}

Napi::Value CancellableCall::settle(Napi::Env env) {
  // An abort after the last row still keeps the promise that nothing is written.
  const bool is_aborted = state_[0].load(std::memory_order_relaxed) != 0;
  if (status_ == ComputeStatus::kOk && is_aborted) status_ = ComputeStatus::kAborted;
  if (status_ == ComputeStatus::kOk && !write_outputs(arrays_.Value().As<Napi::Array>())) {
    return plain_outcome(env, "detached");
  }
  return outcome_of(env, status_, summary());
}

} // namespace fused_bear_loss
