// What finding the largest logits of each row needs, whoever asks for them.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/logit_rows.h"
#include "native/cpu/allowed_logits.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/top_tokens_kernel.h"

namespace fused_bear_loss {

// Belongs to one thread; its memory stays with the thread, as that of the loss does.
struct SelectionScratch {
  std::vector<float> row; // a row's allowed logits
  std::vector<float> candidates;
  std::vector<TokenKey> keys;

  // For the `width` largest logits of a row. Throws std::bad_alloc.
  void reserve_selection(std::int64_t width) {
    const TopTokensKernel& kernel = top_tokens_kernel();
    reserve(keys, kernel.key_capacity(width));
    reserve(candidates, kernel.candidate_capacity(width));
  }
};

inline SelectionScratch& thread_selection_scratch() {
  thread_local SelectionScratch scratch;
  return scratch;
}

// How many logits of a dense row are read in the time that these rows take. Listed ones lie apart.
inline std::int64_t logits_to_read(const LogitRows& rows) {
  return rows.allowed_offsets == nullptr ? rows.rows * rows.vocab_size
                                         : std::int64_t{rows.allowed_offsets[rows.rows] - rows.allowed_offsets[0]} * 4;
}

} // namespace fused_bear_loss
