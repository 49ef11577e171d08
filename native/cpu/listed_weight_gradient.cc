#include "native/cpu/listed_weight_gradient.h"

#include <algorithm>

#include "native/cpu/instruction_set.h"
#include "native/cpu/row_loop.h"

namespace fused_bear_loss {
namespace {

// Tokens of a block: whole tiles.
constexpr std::int64_t kBlockTokens = 192;
static_assert(kBlockTokens % kTileRows == 0, "a block has no edges inside");
// Multiplications that take as long as a logit takes.
constexpr std::int64_t kProductsPerLogit = 4;

// Scratch memory stays with the thread.
struct Scratch {
  std::vector<std::int64_t> order;
  std::vector<float> factors;
};

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

// A row of a cluster: its rank in the order of sums, and which of the cluster's groups it is in.
constexpr std::int64_t ordered_row(std::int64_t rank, std::int64_t group) { return rank << 32 | group; }
constexpr std::int64_t rank_of(std::int64_t row) { return row >> 32; }
constexpr std::int64_t group_of(std::int64_t row) { return row & 0xffffffff; }

} // namespace

ListedWeightGradient::ListedWeightGradient(const LinearProblem& call, const LinearOutputs& outputs,
                                           std::int64_t most_rows, std::int64_t most_entries)
    : call_(call),
      outputs_(outputs),
      most_rows_(most_rows),
      clusters_(call.vocab_size, most_entries),
      ranks_(static_cast<std::size_t>(most_rows)) {
  lists_.reserve(static_cast<std::size_t>(most_rows));
  tasks_.reserve(std::min(call.vocab_size, most_entries));
  if (outputs.weight_is_sparse && !call.accumulate) begun_.resize(static_cast<std::size_t>(outputs.weight_rows));
}

void ListedWeightGradient::take_scratch() const {
  reserve(thread_scratch().order, most_rows_);
  reserve(thread_scratch().factors, kBlockTokens * kBlockDepth);
}

ComputeStatus ListedWeightGradient::compute(const ListedRows& rows, const ProductThreads& threads) {
  lists_.clear();
  for (const ListedGroup& group : rows.groups) lists_.push_back(group.list);
  clusters_.build(lists_);
  for (std::size_t rank = 0; rank < rows.ascending.size(); ++rank) {
    ranks_[static_cast<std::size_t>(rows.ascending[rank])] = static_cast<std::int32_t>(rank);
  }
  tasks_.clear();
  for (const TokenClusters::Cluster& cluster : clusters_.clusters()) {
    tasks_.add((cluster.tokens + kBlockTokens - 1) / kBlockTokens);
  }
  const std::int64_t cost = rows.entries * call_.hidden_size / kProductsPerLogit;
  return run_rows({tasks_.count(), cost, threads.threads, threads.abort}, [&] {
    take_scratch();
    return [&](std::int64_t task) {
      const auto [cluster, number] = tasks_.at(task);
      compute_block(rows, clusters_.clusters()[cluster], number);
    };
  });
}

void ListedWeightGradient::compute_block(const ListedRows& rows, const TokenClusters::Cluster& cluster,
                                         std::int64_t number) {
  const std::int64_t first = cluster.first + number * kBlockTokens;
  const std::int64_t tokens = std::min(kBlockTokens, cluster.first + cluster.tokens - first);
  const std::int32_t* positions[kBlockTokens];
  std::int32_t weight_rows[kBlockTokens] = {};
  for (std::int64_t t = 0; t < tokens; ++t) {
    positions[t] = clusters_.positions(clusters_.listed(first + t));
    weight_rows[t] = static_cast<std::int32_t>(weight_row(clusters_.listed(first + t).token));
  }
  const std::int64_t count = order_rows(rows, cluster);
  const std::int64_t* const order = thread_scratch().order.data();
  float* const factors = thread_scratch().factors.data();
  ProductStart start = begin_rows(weight_rows, tokens);
  for (std::int64_t begin = 0; begin < count; begin += kBlockDepth) {
    const std::int64_t depth = std::min(kBlockDepth, count - begin);
    std::int32_t places[kBlockDepth];
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::int64_t row = order[begin + i];
      const std::int32_t place = rows.ascending[static_cast<std::size_t>(rank_of(row))];
      const ListedGroup& group = rows.groups[static_cast<std::size_t>(cluster.groups[group_of(row)])];
      const float* const values = group.logits + (place - group.first) * group.stride;
      places[i] = place;
      for (std::int64_t t = 0; t < tokens; ++t) factors[t * kBlockDepth + i] = values[positions[t][group_of(row)]];
    }
    matrix_kernel().multiply_apart({factors, kBlockDepth, tokens, depth, rows.hidden, rows.hidden_stride, places,
                                    call_.hidden_size, outputs_.grad_weight, call_.hidden_size, weight_rows, start});
    start = ProductStart::kChain;
  }
}

// Puts the cluster's rows into the thread's scratch memory, in the order of sums.
std::int64_t ListedWeightGradient::order_rows(const ListedRows& rows, const TokenClusters::Cluster& cluster) const {
  std::int64_t* const order = thread_scratch().order.data();
  std::int64_t count = 0;
  for (std::int64_t number = 0; number < cluster.group_count; ++number) {
    const ListedGroup& group = rows.groups[static_cast<std::size_t>(cluster.groups[number])];
    for (std::int64_t place = group.first; place < group.first + group.rows; ++place) {
      order[count++] = ordered_row(ranks_[static_cast<std::size_t>(place)], number);
    }
  }
  if (cluster.group_count > 1) std::sort(order, order + count);
  return count;
}

// How the sums of a chunk meet what the rows of the gradient hold.
ProductStart ListedWeightGradient::begin_rows(const std::int32_t* weight_rows, std::int64_t count) {
  if (!rows_begin()) return ProductStart::kChain;
  const auto has_begun = [&](std::int32_t row) { return begun_[static_cast<std::size_t>(row)] != 0; };
  const bool some_have = std::any_of(weight_rows, weight_rows + count, has_begun);
  for (const std::int32_t* row = weight_rows; row != weight_rows + count; ++row) {
    if (some_have && !has_begun(*row)) {
      std::fill_n(outputs_.grad_weight + std::int64_t{*row} * call_.hidden_size, call_.hidden_size, 0.0F);
    }
    begun_[static_cast<std::size_t>(*row)] = 1;
  }
  return some_have ? ProductStart::kChain : ProductStart::kStore;
}

void ListedWeightGradient::finish() {
  for (std::size_t row = 0; row < begun_.size(); ++row) {
    if (begun_[row] != 0) continue;
    std::fill_n(outputs_.grad_weight + static_cast<std::int64_t>(row) * call_.hidden_size, call_.hidden_size, 0.0F);
  }
}

std::int64_t ListedWeightGradient::weight_row(std::int32_t token) const {
  if (!outputs_.weight_is_sparse) return token;
  const std::int32_t* const end = outputs_.weight_tokens + outputs_.weight_rows;
  return std::lower_bound(outputs_.weight_tokens, end, token) - outputs_.weight_tokens;
}

} // namespace fused_bear_loss
