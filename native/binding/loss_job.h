// A call that owns its inputs and outputs, so that another thread can run it while JavaScript does what it likes with
// the caller's buffers. (Transferring an ArrayBuffer frees its memory under a running kernel, even where a reference
// holds it.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/core/backend.h"

namespace fused_bear_loss {

class LossJob {
 public:
  // Copies the inputs of a validated problem. Throws std::bad_alloc.
  LossJob(const Backend& backend, const LossProblem& problem, const LossOutputs& outputs,
          std::int64_t allowed_token_count);
  LossJob(const LossJob&) = delete;
  LossJob& operator=(const LossJob&) = delete;

  // On any thread, once.
  ComputeStatus run(const std::atomic<std::int32_t>* abort);

  // Copies what run() computed to the outputs that the caller asked for, of the same sizes as those of the constructor.
  void copy_outputs(const LossOutputs& destination) const;

  const LossSummary& summary() const { return summary_; }

 private:
  bool reads_listed_logits_only() const;
  void allocate_logits();
  char* own_row(std::int64_t row) const;
  void copy_listed(std::int64_t row, const char* source, char* destination) const;
  void copy_logits(const char* source, std::int64_t stride);
  void copy_gradient(char* destination, std::int64_t stride) const;

  const Backend& backend_;
  LossProblem problem_;
  LossOutputs outputs_;
  LossSummary summary_;

  // Rows packed without padding. The gradient is computed in place here: one copy of the logits, not two.
  std::unique_ptr<char[]> logits_memory_;
  char* logits_ = nullptr;

  std::vector<std::int32_t> targets_;
  std::vector<std::int32_t> allowed_offsets_;
  std::vector<std::int32_t> allowed_tokens_;
  std::vector<std::uint32_t> allowed_bitmask_;
  std::vector<float> token_weights_;
  std::vector<float> penalty_weights_;
  std::vector<float> grad_output_rows_;
  std::vector<float> row_losses_;
  std::vector<float> nll_;
  std::vector<float> log_sum_exp_;
  std::vector<float> threshold_;
  std::vector<float> margin_;
  std::vector<float> penalty_;
  std::vector<std::int32_t> rank_;
};

} // namespace fused_bear_loss
