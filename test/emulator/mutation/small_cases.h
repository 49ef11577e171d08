// Small loss problems that reach every branch of the kernels, for the mutation run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/core/loss_problem.h"
#include "native/cuda/launch_plan.h"

namespace fused_bear_loss::mutation {

// A problem with its arrays, in host memory. Logits are numbers; they are rounded to the dtype where they are used.
struct SmallCase {
  std::string name;
  LossProblem problem; // sizes and options; its pointers are null
  cuda::DeviceProperties properties;
  std::vector<float> logits; // [rows, vocab_size]
  std::vector<std::int32_t> targets;
  std::vector<float> token_weights;
  std::vector<float> penalty_weights;
  std::vector<float> grad_output_rows;
  std::vector<std::int32_t> allowed_offsets;
  std::vector<std::int32_t> allowed_tokens;
  std::vector<std::uint32_t> allowed_bitmask;
  std::int64_t shift = 0;       // elements between an aligned address and the first logit
  bool separate_passes = false; // statistics, then gradient
  std::int64_t chunk_rows = 0;  // 0: all rows in one launch
  bool on_chip = false;         // the row is not read twice as a whole
  bool without_ranks = false;   // they cost further reads of the target
  bool faulty = false;          // the CPU refuses it; only faults and poisoned rows are compared
  bool list_changes = false;    // after the statistics, to a token far outside: the gradient is not compared
};

std::vector<SmallCase> small_cases();

} // namespace fused_bear_loss::mutation
