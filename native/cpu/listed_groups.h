// Rows of a chunk that share a list of tokens, and work that is shared out by groups of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "native/cpu/allowed_logits.h"

namespace fused_bear_loss {

struct ListedGroup {
  std::int64_t first; // row of the chunk
  std::int64_t rows;
  TokenList list;
  float* logits;
  std::int64_t stride;
};

// Tasks of groups, so many of each, as one sequence.
class GroupTasks {
 public:
  void clear() { ends_.clear(); }
  void reserve(std::int64_t groups) { ends_.reserve(static_cast<std::size_t>(groups)); }
  void add(std::int64_t tasks) { ends_.push_back(count() + tasks); }
  std::int64_t count() const { return ends_.empty() ? 0 : ends_.back(); }

  struct Task {
    std::size_t group;
    std::int64_t number; // of the group's
  };
  Task at(std::int64_t task) const {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), task);
    return {static_cast<std::size_t>(end - ends_.begin()), task - (end == ends_.begin() ? 0 : *(end - 1))};
  }

 private:
  std::vector<std::int64_t> ends_;
};

} // namespace fused_bear_loss
