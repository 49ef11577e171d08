// Background calls that JavaScript can abort while they compute.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>

#include "native/binding/background_calls.h"
#include "native/core/backend.h"

namespace fused_bear_loss {

class CancellableCall : public BackgroundCall {
 public:
  // `arrays` is kept, with what was lent. `state` is undefined, or an Int32Array of shared memory: not 0 at [0] aborts
  // the call, not 0 at [1] says that it has begun. Who aborts a call before it has begun may take back at once what was
  // lent.
  CancellableCall(const Napi::Array& arrays, const Napi::Value& state, const Napi::Function& done);

  void cancel() noexcept final { state_[0].store(1, std::memory_order_relaxed); }

 protected:
  void work() final;

  // On another thread, once.
  virtual ComputeStatus compute(const std::atomic<std::int32_t>* abort) = 0;
  virtual const LossSummary& summary() const = 0;
  // Writes what was computed to the caller's outputs; false where their memory is no longer what it was.
  virtual bool write_outputs(const Napi::Array& arrays) = 0;

  Napi::Value settle(Napi::Env env) final;

 private:
  Napi::ObjectReference arrays_; // has the output views that are looked at again when the call is done
  std::atomic<std::int32_t> own_state_[2] = {};
  Napi::ObjectReference shared_; // keeps the memory of JavaScript's, where `state_` is there
  std::atomic<std::int32_t>* state_;
  ComputeStatus status_ = ComputeStatus::kOk;
};

// Bits of what was lent, as JavaScript passes them: a number below `limit`.
std::int32_t read_lent_bits(const Napi::Value& value, std::int32_t limit);

} // namespace fused_bear_loss
