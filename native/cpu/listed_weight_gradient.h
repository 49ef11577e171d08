// The gradient of the weight, of the tokens of lists: a product of matrices for each cluster of tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/backend.h"
#include "native/core/linear_problem.h"
#include "native/cpu/listed_groups.h"
#include "native/cpu/matrix_products.h"
#include "native/cpu/token_clusters.h"

namespace fused_bear_loss {

// The rows of a chunk, with the gradient of their logits in the logits' place.
struct ListedRows {
  const std::vector<ListedGroup>& groups;
  const std::vector<std::int32_t>& ascending; // their places in the chunk, in the order of sums
  const float* hidden;                        // of each place, in float32
  std::int64_t hidden_stride;
  std::int64_t entries;
};

class ListedWeightGradient {
 public:
  // For chunks of at most so many rows and entries. Throws std::bad_alloc.
  ListedWeightGradient(const LinearProblem& call, const LinearOutputs& outputs, std::int64_t most_rows,
                       std::int64_t most_entries);

  // Whether rows of the gradient need not be 0 when compute() begins.
  bool rows_begin() const { return !begun_.empty(); }
  // The memory that the calling thread needs. Throws std::bad_alloc.
  void take_scratch() const;
  // Goes on in the gradient with the sums over the rows of a chunk.
  ComputeStatus compute(const ListedRows& rows, const ProductThreads& threads);
  // Makes the rows 0 that no chunk had an entry for.
  void finish();

 private:
  void compute_block(const ListedRows& rows, const TokenClusters::Cluster& cluster, std::int64_t number);
  std::int64_t order_rows(const ListedRows& rows, const TokenClusters::Cluster& cluster) const;
  ProductStart begin_rows(const std::int32_t* weight_rows, std::int64_t count);
  std::int64_t weight_row(std::int32_t token) const;

  const LinearProblem& call_;
  const LinearOutputs& outputs_;
  const std::int64_t most_rows_;
  TokenClusters clusters_;
  GroupTasks tasks_;
  std::vector<TokenList> lists_;
  std::vector<std::int32_t> ranks_; // of places, in the order of sums
  std::vector<std::uint8_t> begun_; // rows of the gradient; empty where all are
};

} // namespace fused_bear_loss
