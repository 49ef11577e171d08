// The products of matrix_products.h where the factors are bfloat16 and the processor has tiles for them. Logits and
// gradients are float32 here too: what a bfloat16 number cannot hold is the sum of several.
#pragma once

#include "native/cpu/matrix_products.h"

namespace fused_bear_loss {

#if defined(FBL_HAVE_X86_INSTRUCTION_SETS)
constexpr bool kMayHaveTiles = true;
#else
constexpr bool kMayHaveTiles = false;
#endif

// Rows of hidden states that the gradient of the weight sums up at a time, which are in one chunk.
constexpr std::int64_t kSummedRows = 32;

// Whether tiles compute the products of such factors, and whether those in which rows are summed up: if the logits of
// so many rows are no more than 32 MB. It depends on nothing else, as the sums would.
bool tiles_multiply(DType dtype, std::int64_t hidden_size);
bool tiles_sum_rows(DType dtype, std::int64_t hidden_size, std::int64_t vocab_size);

// As the functions of the same names without "tiles".
void reserve_tiles_scratch(std::int64_t rows, std::int64_t hidden_size);
ComputeStatus tiles_multiply_to_logits(const MatrixRows& hidden, std::int64_t rows, const MatrixRows& weight,
                                       std::int64_t tokens, const float* bias, float* packed, float* logits,
                                       std::int64_t logits_stride, const ProductThreads& threads);
ComputeStatus tiles_multiply_to_hidden(const float* logits, std::int64_t logits_stride, std::int64_t rows,
                                       const MatrixRows& weight, std::int64_t tokens, const HiddenGradient& gradient,
                                       const ProductThreads& threads);
ComputeStatus tiles_multiply_to_weight(const float* logits, std::int64_t logits_stride, const MatrixRows& hidden,
                                       std::int64_t rows, std::int64_t tokens, float* packed,
                                       const WeightGradient& gradient, const ProductThreads& threads);
// The products of a block of ListedLogits, without their bias.
void take_tiles_listed_scratch();
void tiles_compute_listed(const ListedLogits& logits, std::int64_t first, std::int64_t count);

} // namespace fused_bear_loss
