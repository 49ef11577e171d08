// A call of the linear form that another thread can run while JavaScript does what it likes with the caller's buffers:
// it owns its inputs and outputs, but for what it was lent.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "native/binding/linear_call.h"
#include "native/binding/owned_rows.h"
#include "native/binding/reused_memory.h"
#include "native/core/backend.h"
#include "native/core/call_fields.h"

namespace fused_bear_loss {

class LinearJob {
 public:
  // Copies the inputs of a validated call that are not lent. `lent` has a bit for each array, in the order of
  // kLinearArrayNames. Throws std::bad_alloc.
  LinearJob(const LinearCall& call, std::int32_t lent);
  LinearJob(const LinearJob&) = delete;
  LinearJob& operator=(const LinearJob&) = delete;

  // On any thread, once.
  ComputeStatus run(const std::atomic<std::int32_t>* abort);

  // Copies what run() computed to the outputs that the caller asked for, or adds it. What was lent has it already.
  void copy_outputs(const LinearOutputs& destination) const;

  const LossSummary& summary() const { return summary_; }

 private:
  struct Copy {
    std::optional<ReusedMemory> memory;
    std::int64_t elements = 0;
  };

  template <class T>
  void take_input(std::size_t array, T*& data, std::int64_t bytes);
  template <class T>
  void take_gradient(std::size_t array, T*& data, std::int64_t elements, std::int64_t element_bytes);

  LinearProblem problem_;
  LinearOutputs outputs_;
  const OwnedRows rows_;
  const std::int64_t workspace_floats_;
  const std::int32_t lent_;
  LossSummary summary_;
  Copy copies_[kLinearArrayCount];
  std::vector<std::int32_t> weight_tokens_;
};

} // namespace fused_bear_loss
