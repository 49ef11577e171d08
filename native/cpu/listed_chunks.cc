// Chunks in which only the tokens of lists have logits. Rows that share a list are a group: its rows of the weight are
// gathered once for all of them.
#include <algorithm>
#include <atomic>
#include <new>
#include <optional>
#include <vector>

#include "native/core/dtype.h"
#include "native/cpu/allowed_logits.h"
#include "native/cpu/instruction_set.h"
#include "native/cpu/linear_chunks.h"
#include "native/cpu/listed_groups.h"
#include "native/cpu/listed_weight_gradient.h"
#include "native/cpu/loss_rows.h"
#include "native/cpu/row_loop.h"

namespace fused_bear_loss {
namespace {

// Logits of a share of a group's rows: less is not worth a thread.
constexpr std::int64_t kLogitsPerTask = 1 << 15;
// Multiplications from which on the gradient of a group's hidden states is shared among threads.
constexpr std::int64_t kSharedProducts = 1 << 24;
// Multiplications that take as long as a logit takes, where a row of the weight is read for a few of them.
constexpr std::int64_t kProductsPerLogit = 4;

// A list with what tells it from others.
struct ListKey {
  std::uint64_t hash;
  TokenList list;
  std::int32_t row; // relative to the chunk's base

  bool same_list(const ListKey& other) const {
    return hash == other.hash && list.count == other.list.count &&
           std::equal(list.begin(), list.end(), other.list.begin());
  }
};

std::uint64_t hash_of(const TokenList& list) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const std::int32_t token : list) hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001b3u;
  return hash;
}

// How a chunk is filled: as many rows as the workspace holds, but at least one.
class ChunkSize {
 public:
  explicit ChunkSize(const LinearProblem& call) : call_(&call) {}

  bool add(std::int64_t row) {
    const std::int64_t count = token_list(*call_, row).count;
    const std::int64_t floats = listed_row_floats(count, call_->hidden_size);
    if (rows_ > 0 && floats_ + floats > call_->workspace_floats) return false;
    ++rows_;
    floats_ += floats;
    entries_ += count;
    return true;
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t entries() const { return entries_; }

 private:
  const LinearProblem* call_;
  std::int64_t rows_ = 0;
  std::int64_t floats_ = 0;
  std::int64_t entries_ = 0;
};

// The most that a chunk of the call has.
struct LargestChunk {
  std::int64_t rows = 1;
  std::int64_t entries = 0;

  explicit LargestChunk(const LinearProblem& call) {
    ChunkSize size(call);
    for (std::int64_t row = 0; row < call.rows; ++row) {
      if (call.targets[row] == call.ignore_index) continue;
      if (!size.add(row)) {
        size = ChunkSize(call);
        size.add(row);
      }
      rows = std::max(rows, size.rows());
      entries = std::max(entries, size.entries());
    }
  }
};

// Floats from one hidden state to the next: an odd number of cache lines, so that the same columns of many rows lie in
// different sets of a cache.
std::int64_t hidden_stride(std::int64_t hidden_size) {
  const std::int64_t lines = linear_row_floats(hidden_size) / kLineFloats;
  return (lines | 1) * kLineFloats;
}

class ListedChunks final : public LinearChunks {
 public:
  ListedChunks(const LinearProblem& call, const LinearOutputs& outputs, const std::atomic<std::int32_t>* abort,
               const LargestChunk& largest)
      : LinearChunks(call, outputs, abort, largest.rows),
        longest_(longest_row(call)),
        hidden_stride_(hidden_stride(call.hidden_size)) {
    const auto rows = static_cast<std::size_t>(largest.rows);
    keys_.reserve(rows);
    groups_.reserve(rows);
    group_of_row_.resize(rows);
    tasks_.reserve(largest.rows);
    hidden_blocks_.reserve(rows);
    hidden_memory_.resize(rows * static_cast<std::size_t>(hidden_stride_) + kLineFloats);
    hidden_ = line_start(hidden_memory_);
    if (outputs.grad_weight != nullptr) {
      weight_gradient_.emplace(call, outputs, largest.rows, largest.entries);
      weight_rows_begin_ = weight_gradient_->rows_begin();
    }
    take_scratch(call.gradient != GradientMode::kNone);
  }

  std::int64_t take(std::int64_t next) override {
    rows_.begin(next);
    keys_.clear();
    ChunkSize size(call_);
    for (; next < call_.rows; ++next) {
      if (!rows_.is_counted(next)) continue;
      if (!rows_.has_room(next) || !size.add(next)) break;
      rows_.add(next);
      const TokenList list = token_list(call_, next);
      keys_.push_back({hash_of(list), list, static_cast<std::int32_t>(next - rows_.base())});
    }
    group_rows();
    return next;
  }

  ComputeStatus compute_logits() override {
    const MatrixRows hidden = this->hidden(0);
    for (std::int64_t row = 0; row < rows_.count(); ++row) {
      matrix_kernel().widen_rows(hidden, row, 1, 0, call_.hidden_size, hidden_ + row * hidden_stride_);
    }
    tasks_.clear();
    for (const ListedGroup& group : groups_) tasks_.add(listed_logits(group).blocks());
    const ComputeStatus status = run_tasks(
        products() / kProductsPerLogit, [] { ListedLogits::take_scratch(); },
        [&](const ListedGroup& group, std::int64_t number) { listed_logits(group).compute(number); });
    if (status == ComputeStatus::kOk && call_.allowed_bias != nullptr) add_allowed_bias();
    return status;
  }

  ComputeStatus compute_rows(bool gradient, double divisor) override {
    set_row_tasks();
    return run_tasks(
        logits(), [&] { take_row_scratch(gradient); },
        [&](const ListedGroup& group, std::int64_t number) {
          const auto [first, count] = rows_of_task(group, number);
          const LossProblem problem = problem_of(group, first, count, gradient);
          LossOutputs outputs = rows_.outputs(group.first + first);
          outputs.grad_logits = gradient ? group.logits + first * group.stride : nullptr;
          outputs.grad_row_stride = group.stride;
          // Its memory is there, and nobody aborts it.
          compute_some_rows(problem, outputs, divisor, rows_.summaries() + group.first + first, nullptr);
        });
  }

  // The logits once more, entry by entry: there is room for them where the workspace has more than one row.
  TopTokensProblem ordered_logits() override {
    TopTokensProblem problem = ordered_rows();
    problem.listed_logits = true;
    problem.allowed_offsets += rows_.base();
    if (rows_.count() == 1) return problem;
    const ListedGroup& last = groups_.back();
    float* const entries = last.logits + last.rows * last.stride;
    for_each_row([&](std::int32_t place, const float* logits, const TokenList& list) {
      std::copy(logits, logits + list.count, entries + (first_entry(place) - problem.allowed_offsets[0]));
    });
    problem.logits = entries;
    return problem;
  }

  ComputeStatus compute_gradients(bool first) override {
    if (first) clear_gradients();
    ComputeStatus status = ComputeStatus::kOk;
    if (outputs_.grad_hidden != nullptr) status = compute_hidden_gradient();
    if (status != ComputeStatus::kOk) return status;
    if (outputs_.grad_allowed_bias != nullptr || outputs_.grad_bias != nullptr) add_bias_gradients();
    if (!weight_gradient_) return status;
    return weight_gradient_->compute({groups_, rows_.ascending(), hidden_, hidden_stride_, logits()}, threads_);
  }

  void finish_gradients() override {
    if (weight_gradient_) weight_gradient_->finish();
  }

 private:
  // Makes rows with the same list neighbours, and each its logits' place in the workspace.
  void group_rows() {
    std::sort(keys_.begin(), keys_.end(), [](const ListKey& a, const ListKey& b) {
      if (a.hash != b.hash) return a.hash < b.hash;
      return a.list.count != b.list.count ? a.list.count < b.list.count : a.row < b.row;
    });
    groups_.clear();
    float* logits = call_.workspace;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const ListKey& key = keys_[i];
      if (i == 0 || !key.same_list(keys_[i - 1])) {
        groups_.push_back({static_cast<std::int64_t>(i), 0, key.list, logits, linear_row_floats(key.list.count)});
      }
      ListedGroup& group = groups_.back();
      ++group.rows;
      logits += group.stride;
      group_of_row_[i] = static_cast<std::int32_t>(groups_.size() - 1);
      rows_.begin_of_rows()[i] = key.row;
    }
    rows_.gather();
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::int32_t& target = rows_.targets()[i];
      target = static_cast<std::int32_t>(keys_[i].list.position_of(target));
    }
  }

  // Calls `work(group, number)` for all of tasks_, on threads that have taken `take()`.
  template <class Take, class Work>
  ComputeStatus run_tasks(std::int64_t cost, const Take& take, const Work& work) const {
    return run_rows({tasks_.count(), cost, threads_.threads, abort_}, [&] {
      take();
      return [&](std::int64_t task) {
        const GroupTasks::Task place = tasks_.at(task);
        work(groups_[place.group], place.number);
      };
    });
  }

  std::int64_t logits() const {
    std::int64_t count = 0;
    for (const ListedGroup& group : groups_) count += group.rows * group.list.count;
    return count;
  }
  std::int64_t products() const { return logits() * call_.hidden_size; }

  ListedLogits listed_logits(const ListedGroup& group) const {
    return {hidden_ + group.first * hidden_stride_,
            hidden_stride_,
            group.rows,
            hidden(group.first),
            list_weight(group),
            group.list.count,
            call_.bias,
            group.logits,
            group.stride};
  }

  MatrixRows list_weight(const ListedGroup& group) const {
    MatrixRows rows = weight();
    rows.chosen = group.list.tokens;
    return rows;
  }

  // Of the first entry of a row of the chunk, among all entries of the call.
  std::int64_t first_entry(std::int64_t place) const {
    return call_.allowed_offsets[rows_.base() + rows_.positions()[place]];
  }

  // Calls `use(logits, first entry, list)` for every row, ascending.
  template <class Use>
  void for_each_row(const Use& use) const {
    for (const std::int32_t place : rows_.ascending()) {
      const ListedGroup& group = groups_[static_cast<std::size_t>(group_of_row_[static_cast<std::size_t>(place)])];
      use(place, group.logits + (place - group.first) * group.stride, group.list);
    }
  }

  void add_allowed_bias() {
    for_each_row([&](std::int32_t place, float* logits, const TokenList& list) {
      const float* const bias = call_.allowed_bias + first_entry(place);
      for (std::int64_t j = 0; j < list.count; ++j) logits[j] += bias[j];
    });
  }

  static std::int64_t rows_per_task(const ListedGroup& group) {
    return std::max<std::int64_t>(1, kLogitsPerTask / std::max<std::int64_t>(1, group.list.count));
  }

  void set_row_tasks() {
    tasks_.clear();
    for (const ListedGroup& group : groups_) tasks_.add((group.rows + rows_per_task(group) - 1) / rows_per_task(group));
  }

  struct RowRange {
    std::int64_t first;
    std::int64_t count;
  };
  static RowRange rows_of_task(const ListedGroup& group, std::int64_t number) {
    const std::int64_t first = number * rows_per_task(group);
    return {first, std::min(rows_per_task(group), group.rows - first)};
  }

  LossProblem problem_of(const ListedGroup& group, std::int64_t first, std::int64_t count, bool gradient) const {
    LossProblem problem = rows_.problem(group.first + first, count);
    problem.vocab_size = group.list.count;
    problem.row_stride = group.stride;
    problem.logits = group.logits + first * group.stride;
    problem.threads = 1;
    problem.gradient = gradient ? GradientMode::kInPlace : GradientMode::kNone;
    return problem;
  }

  // Of the calling thread, for the longest list. Throws std::bad_alloc.
  void take_row_scratch(bool gradient) const {
    ListedGroup longest = {0, 0, {nullptr, longest_}, call_.workspace, linear_row_floats(longest_)};
    const LossProblem none = problem_of(longest, 0, 0, gradient);
    if (compute_some_rows(none, {}, 1, nullptr, nullptr) != ComputeStatus::kOk) throw std::bad_alloc();
  }

  void take_scratch(bool gradient) const {
    ListedLogits::take_scratch();
    take_row_scratch(gradient);
    if (gradient) reserve_product_scratch(static_cast<std::int64_t>(group_of_row_.size()), weight(), call_.threads);
    if (weight_gradient_) weight_gradient_->take_scratch();
  }

  ComputeStatus compute_hidden_gradient() {
    hidden_blocks_.clear();
    tasks_.clear();
    for (const ListedGroup& group : groups_) {
      const bool is_shared = group.rows * group.list.count * call_.hidden_size >= kSharedProducts;
      const std::int32_t threads = !is_shared ? 1 : call_.threads > 0 ? call_.threads : available_threads();
      hidden_blocks_.emplace_back(group.logits, group.stride, group.rows, list_weight(group), group.list.count,
                                  hidden_gradient(group.first), threads);
      tasks_.add(hidden_blocks_.back().count());
    }
    return run_tasks(
        products() / kProductsPerLogit,
        [&] {
          for (const HiddenGradientBlocks& blocks : hidden_blocks_) blocks.take_scratch();
        },
        [&](const ListedGroup& group, std::int64_t number) {
          hidden_blocks_[static_cast<std::size_t>(&group - groups_.data())].compute(number);
        });
  }

  void add_bias_gradients() {
    for_each_row([&](std::int32_t place, const float* values, const TokenList& list) {
      float* const of_entries =
          outputs_.grad_allowed_bias == nullptr ? nullptr : outputs_.grad_allowed_bias + first_entry(place);
      for (std::int64_t j = 0; j < list.count; ++j) {
        if (of_entries != nullptr) of_entries[j] += values[j];
        if (outputs_.grad_bias != nullptr) outputs_.grad_bias[list.tokens[j]] += values[j];
      }
    });
  }

  const std::int64_t longest_;
  std::vector<ListKey> keys_;
  std::vector<ListedGroup> groups_;
  std::vector<std::int32_t> group_of_row_;
  GroupTasks tasks_;
  const std::int64_t hidden_stride_;
  std::vector<float> hidden_memory_;
  float* hidden_ = nullptr; // of the chunk's rows, in float32
  std::vector<HiddenGradientBlocks> hidden_blocks_;
  std::optional<ListedWeightGradient> weight_gradient_;
};

} // namespace

std::unique_ptr<LinearChunks> listed_chunks(const LinearProblem& call, const LinearOutputs& outputs,
                                            const std::atomic<std::int32_t>* abort) {
  return std::make_unique<ListedChunks>(call, outputs, abort, LargestChunk(call));
}

} // namespace fused_bear_loss
