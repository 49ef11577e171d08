// What a call has for each row, in memory of its own: a job's, while JavaScript does what it likes with the caller's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "native/core/loss_problem.h"

namespace fused_bear_loss {

// Copies the inputs of each row; has room for the outputs of each row that are wanted.
class OwnedRows {
 public:
  // Makes problem and outputs point here, but for the logits and their gradient. Throws std::bad_alloc.
  OwnedRows(LossProblem& problem, LossOutputs& outputs, std::int64_t allowed_token_count);

  OwnedRows(const OwnedRows&) = delete;
  OwnedRows& operator=(const OwnedRows&) = delete;

  // Copies what has been computed here to the outputs that the caller asked for.
  void copy_outputs(const LossOutputs& destination) const;

 private:
  // Null stays null.
  template <class T>
  T* own(T* array, std::int64_t count);

  std::vector<std::unique_ptr<char[]>> memory_;
  std::vector<const void*> outputs_; // in the order of for_each_row_output()
  std::int64_t rows_;
};

} // namespace fused_bear_loss
