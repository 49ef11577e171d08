// The tokens of a chunk's lists, clustered: tokens of a cluster are in the same lists, so that the same rows add to
// their gradients, in the same order.
#pragma once

#include <cstdint>
#include <vector>

#include "native/cpu/allowed_logits.h"

namespace fused_bear_loss {

class TokenClusters {
 public:
  struct Cluster {
    std::int64_t first; // of listed()
    std::int64_t tokens;
    const std::int32_t* groups; // numbers of the lists, ascending
    std::int64_t group_count;
  };

  // For lists with so many entries together. Throws std::bad_alloc; build() does not.
  TokenClusters(std::int64_t vocab_size, std::int64_t entries);

  void build(const std::vector<TokenList>& lists);

  const std::vector<Cluster>& clusters() const { return clusters_; }

  struct ListedToken {
    std::uint64_t signature; // of the lists that it is in
    std::int32_t token;
    std::int32_t lists;
    std::int64_t first; // of groups_ and positions_
  };
  const ListedToken& listed(std::int64_t number) const { return listed_[static_cast<std::size_t>(number)]; }
  // Where the token is in its lists, in the order of its cluster's groups.
  const std::int32_t* positions(const ListedToken& token) const { return positions_.data() + token.first; }

 private:
  bool share_lists(const ListedToken& a, const ListedToken& b) const;

  std::vector<std::int32_t> number_of_token_; // in listed_, while it is built; -1: not listed
  std::vector<ListedToken> listed_;           // cluster by cluster, ascending in each
  std::vector<std::int32_t> groups_;
  std::vector<std::int32_t> positions_;
  std::vector<Cluster> clusters_;
};

} // namespace fused_bear_loss
