// A call that another thread can run while JavaScript does what it likes with the caller's buffers: it owns its inputs
// and outputs, but for what it was lent. (Transferring an ArrayBuffer frees its memory under a running kernel, even
// where a reference holds it.)
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <optional>

#include "native/binding/cancellable_call.h"
#include "native/binding/loss_call.h"
#include "native/binding/owned_rows.h"
#include "native/binding/reused_memory.h"
#include "native/core/backend.h"

namespace fused_bear_loss {

class LossJob final : public CancellableCall {
 public:
  // Copies the inputs of a validated call that are not lent. JavaScript lends the sum of 1 for the logits and 2 for the
  // gradient: memory of the caller's that stays where it is as long as the job. `state` as CancellableCall takes it.
  // Throws std::bad_alloc.
  LossJob(const Backend& backend, const LossCall& call, std::int32_t lent, const Napi::Array& arrays,
          const Napi::Value& state, const Napi::Function& done);

 protected:
  ComputeStatus compute(const std::atomic<std::int32_t>* abort) override;
  const LossSummary& summary() const override { return summary_; }
  bool write_outputs(const Napi::Array& arrays) override;

 private:
  void take_logits(bool lent);
  void take_gradient(bool lent);
  void allocate_rows();

  const Backend& backend_;
  const LossCall call_; // the caller's sizes and modes; its pointers are not followed any more
  LossProblem problem_;
  LossOutputs outputs_;
  const OwnedRows rows_;
  LossSummary summary_;
  // Rows packed without padding: of logits that are not lent, of a gradient that is not, or of both, the gradient in
  // place.
  std::optional<ReusedMemory> own_rows_;
  // A gradient that is not lent, of the lists' entries alone.
  std::optional<ReusedMemory> own_entries_;
  const std::size_t entries_bytes_;
  bool copies_gradient_ = false; // write_outputs() writes it, and not compute()
};

} // namespace fused_bear_loss
