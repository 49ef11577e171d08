#include "test/fuzz/core/top_tokens_case.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fused_bear_loss::fuzz {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void evaluate(const RowsCase& rows, std::int64_t row, TopTokensReference& reference) {
  const LogitRows& shape = rows.shape;
  const auto width = static_cast<std::size_t>(shape.beam_width);
  const auto scaled = [&](double logit) {
    return (shape.softcap > 0 ? shape.softcap * std::tanh(logit / shape.softcap) : logit) / shape.temperature;
  };
  struct Member {
    std::int32_t token;
    double logit;
  };
  std::vector<Member> members; // without those of minus infinity
  bool poisoned = false;
  for (const std::int32_t token : rows.allowed(row)) {
    const double logit = rows.logit(row, token);
    poisoned |= std::isnan(logit) || logit == kInfinity;
    if (logit != -kInfinity) members.push_back({token, logit});
  }
  std::size_t written = 0;
  double log_sum_exp = poisoned ? NAN : -kInfinity;
  double largest = 0;
  if (!poisoned && !members.empty()) {
    std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
      return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
    });
    const double top = scaled(members.front().logit);
    double sum = 0;
    for (const Member& member : members) sum += std::exp(scaled(member.logit) - top);
    log_sum_exp = top + std::log(sum);
    largest = std::max(std::fabs(top), std::fabs(scaled(members.back().logit)));
    for (; written < std::min(width, members.size()); ++written) {
      reference.tokens.push_back(members[written].token);
      reference.log_probabilities.push_back(scaled(members[written].logit) - top - std::log(sum));
    }
  }
  reference.tokens.resize(reference.tokens.size() + width - written, -1);
  reference.log_probabilities.resize(reference.log_probabilities.size() + width - written, poisoned ? NAN : -kInfinity);
  reference.log_sum_exp.push_back(log_sum_exp);
  reference.largest_scaled.push_back(largest);
}

} // namespace

// The order of the fields is the format of the corpus: a new one goes before the single logits, which take the rest.
TopTokensCase read_top_tokens_case(const std::uint8_t* data, std::size_t size) {
  ByteReader reader(data, size);
  TopTokensCase top_case;
  Draw draw(reader.four_bytes());
  top_case.rows = read_rows(reader, draw, true);
  top_case.listed_logits = reader.chance(128) && top_case.rows.is_listed();
  top_case.variant = reader.byte();
  // A mask has no faults here: it may allow nothing.
  if (reader.chance(16)) plant_constraint_fault(draw, top_case.rows);
  reader.check_position(kTopTokensFieldBytes);
  read_single_logits(reader, top_case.rows);
  return top_case;
}

TopTokensReference top_tokens_reference(const RowsCase& rows) {
  TopTokensReference reference;
  for (std::int64_t row = 0; row < rows.shape.rows; ++row) evaluate(rows, row, reference);
  return reference;
}

} // namespace fused_bear_loss::fuzz
