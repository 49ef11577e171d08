// The three products of the linear form over some rows of logits, shared among threads. The order of every sum is
// fixed: it depends neither on threads nor on which rows are computed together (docs/linear.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "native/core/backend.h"
#include "native/cpu/matrix_kernel.h"

namespace fused_bear_loss {

// The first place in memory that begins a line of the cache.
inline float* line_start(std::vector<float>& memory) {
  constexpr std::uintptr_t kLineBytes = 64;
  const auto start = reinterpret_cast<std::uintptr_t>(memory.data());
  return memory.data() + (kLineBytes - start % kLineBytes) % kLineBytes / sizeof(float);
}

struct ProductThreads {
  std::int32_t threads;
  const std::atomic<std::int32_t>* abort;
};

// Floats of memory that a packed copy of rows of hidden states takes, from the start of a cache line.
std::int64_t packed_floats(std::int64_t rows, std::int64_t hidden_size);

// Takes the memory that the calling thread needs for products of up to so many rows and a weight, so that they cannot
// fail there.
// Throws std::bad_alloc.
void reserve_product_scratch(std::int64_t rows, const MatrixRows& weight, std::int32_t threads);

// logits[i][v] = sum over k of hidden[i][k] weight[v][k] + bias[v]: of 128 terms at a time, ascending. `packed` is
// memory of packed_floats().
ComputeStatus multiply_to_logits(const MatrixRows& hidden, std::int64_t rows, const MatrixRows& weight,
                                 std::int64_t tokens, const float* bias, float* packed, float* logits,
                                 std::int64_t logits_stride, const ProductThreads& threads);

// Where the gradient of hidden states goes.
struct HiddenGradient {
  void* data;
  DType dtype;
  std::int64_t columns;
  const std::int32_t* chosen; // as MatrixRows has it
  bool accumulate;
};

// gradient of hidden[i][k] = sum over v of logits[i][v] weight[v][k]: of 128 tokens at a time, ascending.
ComputeStatus multiply_to_hidden(const float* logits, std::int64_t logits_stride, std::int64_t rows,
                                 const MatrixRows& weight, std::int64_t tokens, const HiddenGradient& gradient,
                                 const ProductThreads& threads);

// The same, cut into blocks that any thread may compute at any time.
class HiddenGradientBlocks {
 public:
  // For so many threads: the cut moves no bit.
  HiddenGradientBlocks(const float* logits, std::int64_t logits_stride, std::int64_t rows, const MatrixRows& weight,
                       std::int64_t tokens, const HiddenGradient& gradient, std::int32_t threads);

  std::int64_t count() const;
  // The memory that the calling thread needs. Throws std::bad_alloc; compute() then does not.
  void take_scratch() const;
  void compute(std::int64_t block) const;

 private:
  const float* logits_;
  std::int64_t logits_stride_;
  std::int64_t rows_;
  MatrixRows weight_;
  std::int64_t tokens_;
  HiddenGradient gradient_;
  std::int64_t block_rows_;
  std::int64_t block_columns_;
  std::int64_t column_blocks_;
};

// Logits of rows that share a list: of its tokens alone, the same bits as multiply_to_logits() gives.
struct ListedLogits {
  const float* hidden; // [rows, hidden_size], float32
  std::int64_t hidden_stride;
  std::int64_t rows;
  MatrixRows given_hidden; // the same, as the caller gave them
  MatrixRows weight;       // the list's rows
  std::int64_t tokens;     // in the list
  const float* bias;       // of all tokens, or null
  float* logits;
  std::int64_t logits_stride;

  std::int64_t blocks() const;
  static void take_scratch(); // as above
  void compute(std::int64_t block) const;
};

// gradient of weight[v][k]: goes on with the sum over rows of logits[i][v] hidden[i][k], row by row; and so does that
// of the bias with logits[i][v]. Either may be null. `first`: their sums begin here.
struct WeightGradient {
  float* weight;
  float* bias;
  bool first;
};
ComputeStatus multiply_to_weight(const float* logits, std::int64_t logits_stride, const MatrixRows& hidden,
                                 std::int64_t rows, std::int64_t tokens, float* packed, const WeightGradient& gradient,
                                 const ProductThreads& threads);

} // namespace fused_bear_loss
