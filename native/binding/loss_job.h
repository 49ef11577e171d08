// A call that another thread can run while JavaScript does what it likes with the caller's buffers: it owns its inputs
// and outputs, but for what it was lent. (Transferring an ArrayBuffer frees its memory under a running kernel, even
// where a reference holds it.)
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "native/binding/owned_rows.h"
#include "native/binding/reused_memory.h"
#include "native/core/backend.h"

namespace fused_bear_loss {

// Memory of the caller's that stays where it is as long as the job, whatever JavaScript does.
struct LentMemory {
  bool logits = false;
  bool gradient = false;
};

class LossJob {
 public:
  // Copies the inputs of a validated problem that are not lent. Throws std::bad_alloc.
  LossJob(const Backend& backend, const LossProblem& problem, const LossOutputs& outputs,
          std::int64_t allowed_token_count, LentMemory lent);
  LossJob(const LossJob&) = delete;
  LossJob& operator=(const LossJob&) = delete;

  // On any thread, once.
  ComputeStatus run(const std::atomic<std::int32_t>* abort);

  // Whether copy_outputs() writes the gradient. Else run() does, where there is one.
  bool copies_gradient() const { return copies_gradient_; }

  // Copies what run() computed to the outputs that the caller asked for, of the same sizes as those of the constructor.
  void copy_outputs(const LossOutputs& destination) const;

  const LossSummary& summary() const { return summary_; }

 private:
  void take_logits(bool lent);
  void take_gradient(bool lent);
  void allocate_rows();

  const Backend& backend_;
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
  bool copies_gradient_ = false;
};

} // namespace fused_bear_loss
