#include "native/cpu/token_clusters.h"

#include <algorithm>

namespace fused_bear_loss {
namespace {

constexpr std::int32_t kNotListed = -1;

} // namespace

TokenClusters::TokenClusters(std::int64_t vocab_size, std::int64_t entries)
    : number_of_token_(static_cast<std::size_t>(vocab_size), kNotListed) {
  const auto tokens = static_cast<std::size_t>(std::min(vocab_size, entries));
  listed_.reserve(tokens);
  clusters_.reserve(tokens);
  groups_.resize(static_cast<std::size_t>(entries));
  positions_.resize(static_cast<std::size_t>(entries));
}

void TokenClusters::build(const std::vector<TokenList>& lists) {
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15u;
  listed_.clear();
  for (std::size_t group = 0; group < lists.size(); ++group) {
    for (const std::int32_t token : lists[group]) {
      std::int32_t& number = number_of_token_[static_cast<std::size_t>(token)];
      if (number == kNotListed) {
        number = static_cast<std::int32_t>(listed_.size());
        listed_.push_back({0, token, 0, 0});
      }
      ListedToken& listed = listed_[static_cast<std::size_t>(number)];
      listed.signature = (listed.signature ^ (group + 1)) * kSpread;
      ++listed.lists;
    }
  }
  std::int64_t first = 0;
  for (ListedToken& listed : listed_) {
    listed.first = first;
    first += listed.lists;
    listed.lists = 0;
  }
  for (std::size_t group = 0; group < lists.size(); ++group) {
    for (std::int64_t position = 0; position < lists[group].count; ++position) {
      const auto token = static_cast<std::size_t>(lists[group].tokens[position]);
      ListedToken& listed = listed_[static_cast<std::size_t>(number_of_token_[token])];
      const auto place = static_cast<std::size_t>(listed.first + listed.lists++);
      groups_[place] = static_cast<std::int32_t>(group);
      positions_[place] = static_cast<std::int32_t>(position);
    }
  }
  for (const ListedToken& listed : listed_) number_of_token_[static_cast<std::size_t>(listed.token)] = kNotListed;
  std::sort(listed_.begin(), listed_.end(), [](const ListedToken& a, const ListedToken& b) {
    return a.signature != b.signature ? a.signature < b.signature : a.token < b.token;
  });
  clusters_.clear();
  for (std::size_t i = 0; i < listed_.size(); ++i) {
    const ListedToken& listed = listed_[i];
    if (i == 0 || !share_lists(listed, listed_[i - 1])) {
      clusters_.push_back({static_cast<std::int64_t>(i), 0, groups_.data() + listed.first, listed.lists});
    }
    ++clusters_.back().tokens;
  }
}

bool TokenClusters::share_lists(const ListedToken& a, const ListedToken& b) const {
  const std::int32_t* const groups = groups_.data() + a.first;
  return a.signature == b.signature && a.lists == b.lists &&
         std::equal(groups, groups + a.lists, groups_.data() + b.first);
}

} // namespace fused_bear_loss
