#include "test/fuzz/core/rows_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "native/core/option_names.h"

namespace fused_bear_loss::fuzz {
namespace {

struct Sizes {
  std::int64_t vocab_size;
  std::int64_t rows;
};

// Around vectors, blocks of 64 and their multiples.
constexpr int kSmallSizes[] = {1,   2,   3,   4,   5,   6,   7,   8,   9,   12,  15,  16,  17,  20,  24,
                               31,  32,  33,  40,  47,  48,  49,  63,  64,  65,  79,  80,  81,  96,  100,
                               127, 128, 129, 143, 144, 160, 191, 192, 193, 200, 255, 256, 257, 320, 321};
// Around chunks: 16 blocks, 32, 64 and several of them.
constexpr int kChunkSizes[] = {1000, 1023, 1024, 1025, 1088, 1089, 2047, 2048, 2049,
                               3000, 4095, 4096, 4097, 4160, 5120, 5121, 7168, 7169};

Sizes read_sizes(ByteReader& reader) {
  const int kind = reader.two_bytes();
  const int first = reader.byte();
  const int second = reader.byte();
  if (kind < 16) return {(1 << 16) + first, 1 + second % 2};  // long rows
  if (kind < 80) return {2000 + 8 * first, 68 + second % 32}; // enough logits for several threads
  if (kind < 2000) return {kChunkSizes[first % 18], 1 + second % 3};
  if (kind < 8000) return {1 + 2 * first + second / 128, 1 + second % 4};
  if (kind < 8300) return {kSmallSizes[first % 45], 0};
  return {kSmallSizes[first % 45], 1 + second % 5};
}

std::int64_t read_beam_width(ByteReader& reader, std::int64_t vocab_size) {
  const int kind = reader.byte() % 16;
  const std::int64_t other = reader.byte();
  switch (kind) {
    case 0:
      return 1;
    case 1:
      return 2;
    case 2:
      return 10;
    case 3: // 16 is the longest list that registers hold
      return 16;
    case 4:
      return 17;
    case 5:
      return vocab_size;
    case 6:
      return vocab_size + 1 + other;
    case 7:
      return std::max<std::int64_t>(1, vocab_size - 1);
    case 8:
      return 1 + vocab_size / 2;
    case 9:
      return 1 + other;
    case 10:
      return 1 + other % 33;
    default:
      return 1 + other % std::min<std::int64_t>(vocab_size, 20);
  }
}

double read_temperature(ByteReader& reader) {
  static constexpr double kTemperatures[] = {1, 1, 1, 0.7, 2, 0.1, 1e-3, 1e3, 3.3, 0.5};
  const int kind = reader.byte();
  const int exponent = reader.byte();
  return kind < 200 ? kTemperatures[kind % 10] : std::exp((exponent - 127.5) / 128 * 6.9);
}

double read_softcap(ByteReader& reader) {
  static constexpr double kCaps[] = {30, 4, 0.5, 50, 1000, 1};
  const int kind = reader.byte();
  return kind < 160 ? 0 : kCaps[kind % 6];
}

enum class LogitKind {
  kNormal,
  kWide,
  kEqual,
  kTwoValues,
  kTies,
  kAscending,
  kDescending,
  kHoles,
  kMasked,
  kSubnormal,
  kSignedZeros,
  kOffset,
  kOutliers,
  kSpike,
  kClimbing,
  kAnyBits,
};
constexpr int kLogitKinds = 16;

double bounded(double value) { return std::max(-kLargestLogit, std::min(kLargestLogit, value)); }

// Any number of the dtype within the bound.
double any_number(Draw& draw, DType dtype) {
  const double value =
      decode(static_cast<std::uint32_t>(draw.bits()) & (dtype == DType::kFloat32 ? ~0u : 0xffffu), dtype);
  return std::isfinite(value) ? bounded(value) : 0;
}

// The logits of one row, `token` by token.
double logit_of(LogitKind kind, double scale, std::int64_t token, std::int64_t vocab_size, DType dtype, Draw& draw) {
  constexpr double kMasked = -std::numeric_limits<double>::infinity();
  const double place = static_cast<double>(token);
  switch (kind) {
    case LogitKind::kNormal:
      return scale * draw.normal();
    case LogitKind::kWide:
      return kLargestLogit * (2 * draw.uniform() - 1);
    case LogitKind::kEqual:
      return scale;
    case LogitKind::kTwoValues:
      return draw.chance(0.3) ? scale : -0.5;
    case LogitKind::kTies:
      return std::round(scale * draw.normal());
    case LogitKind::kAscending:
      return scale * (place / 16 - static_cast<double>(vocab_size) / 32);
    case LogitKind::kDescending:
      return scale * (static_cast<double>(vocab_size) / 32 - place / 16);
    case LogitKind::kHoles:
      return draw.chance(0.4) ? kMasked : scale * draw.normal();
    case LogitKind::kMasked:
      return draw.chance(3.0 / static_cast<double>(vocab_size)) ? scale * draw.normal() : kMasked;
    case LogitKind::kSubnormal:
      return decode(static_cast<std::uint32_t>(draw.below(dtype == DType::kFloat16 ? 0x400 : 0x80)), dtype) *
             (draw.chance(0.5) ? 1 : -1);
    case LogitKind::kSignedZeros:
      return draw.chance(0.05) ? scale : draw.chance(0.5) ? 0.0 : -0.0;
    case LogitKind::kOffset:
      return 1000 + draw.normal();
    case LogitKind::kOutliers:
      return draw.normal() + (draw.chance(0.02) ? 200 * draw.uniform() : 0);
    case LogitKind::kSpike:
      return token == vocab_size * 3 / 4 ? 500 : 0;
    case LogitKind::kClimbing:
      return 50 * std::floor(place / (scale > 4 ? 2 : 1000)) + draw.normal();
    case LogitKind::kAnyBits:
      break;
  }
  return any_number(draw, dtype);
}

void read_logits(ByteReader& reader, Draw& draw, RowsCase& rows) {
  static constexpr double kScales[] = {3, 1, 0.01, 10, 30, 100, 1000, -2};
  const int kind = reader.byte();
  const double scale = reader.one_of(kScales);
  const int not_finite = reader.byte();
  const LogitRows& shape = rows.shape;
  rows.logits.resize(static_cast<std::size_t>(shape.rows * shape.vocab_size));
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const auto of_row = static_cast<LogitKind>(kind < 128 ? kind % kLogitKinds : draw.below(kLogitKinds));
    for (std::int64_t token = 0; token < shape.vocab_size; ++token) {
      const double value = logit_of(of_row, scale, token, shape.vocab_size, shape.dtype, draw);
      rows.set_logit(row, token, std::isinf(value) ? value : bounded(value));
    }
  }
  if (shape.rows == 0 || not_finite >= 40) return;
  static constexpr double kValues[] = {NAN, INFINITY, -INFINITY, -NAN};
  for (int i = 0; i <= not_finite % 3; ++i) {
    rows.set_logit(draw.below(shape.rows), draw.below(shape.vocab_size), kValues[draw.below(4)]);
  }
}

// How many tokens a row allows: one, few, half, nearly all, all; none where that is allowed.
std::int64_t drawn_length(int kind, std::int64_t vocab_size, bool may_be_empty, Draw& draw) {
  if (may_be_empty && draw.chance(0.1)) return 0;
  switch (kind % 6) {
    case 0:
      return 1;
    case 1:
      return 1 + draw.below(std::min<std::int64_t>(6, vocab_size));
    case 2:
      return 1 + draw.below(vocab_size);
    case 3:
      return std::max<std::int64_t>(1, vocab_size - draw.below(3));
    case 4:
      return vocab_size;
    default:
      return draw.chance(0.5) ? 1 : 1 + draw.below(vocab_size);
  }
}

// `count` of the tokens, ascending: a token is taken with the probability that leaves enough for the rest.
void draw_tokens(std::int64_t count, std::int64_t vocab_size, Draw& draw, std::vector<std::int32_t>& tokens) {
  for (std::int64_t token = 0; token < vocab_size && count > 0; ++token) {
    if (draw.below(vocab_size - token) >= count) continue;
    tokens.push_back(static_cast<std::int32_t>(token));
    --count;
  }
}

void read_constraint(ByteReader& reader, Draw& draw, bool rows_may_be_empty, RowsCase& rows) {
  const int kind = reader.byte();
  const int length_kind = reader.byte();
  if (kind < 110) return;
  const LogitRows& shape = rows.shape;
  const bool listed = kind < 190;
  const std::int64_t words = bitmask_words(shape.vocab_size);
  if (listed) {
    rows.allowed_offsets.push_back(0);
  } else {
    rows.allowed_bitmask.resize(static_cast<std::size_t>(shape.rows * words));
  }
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    std::vector<std::int32_t> tokens;
    draw_tokens(drawn_length(length_kind, shape.vocab_size, rows_may_be_empty, draw), shape.vocab_size, draw, tokens);
    if (listed) {
      rows.allowed_tokens.insert(rows.allowed_tokens.end(), tokens.begin(), tokens.end());
      rows.allowed_offsets.push_back(static_cast<std::int32_t>(rows.allowed_tokens.size()));
      continue;
    }
    std::uint32_t* const bits = rows.allowed_bitmask.data() + row * words;
    for (const std::int32_t token : tokens) bits[token / 32] |= 1u << (token % 32);
    // Bits past the vocabulary mean nothing.
    if (shape.vocab_size % 32 != 0)
      bits[words - 1] |= static_cast<std::uint32_t>(draw.bits()) << (shape.vocab_size % 32);
  }
}

} // namespace

void RowsCase::set_logit(std::int64_t row, std::int64_t token, double value) {
  logits[static_cast<std::size_t>(position(row, token))] = encode(value, shape.dtype);
}

bool RowsCase::allows(std::int64_t row, std::int64_t token) const {
  if (is_masked()) {
    const auto word = static_cast<std::size_t>(row * bitmask_words(shape.vocab_size) + token / 32);
    return (allowed_bitmask[word] >> (token % 32) & 1u) != 0;
  }
  if (!is_listed()) return true;
  const auto begin = allowed_tokens.begin() + allowed_offsets[static_cast<std::size_t>(row)];
  const auto end = allowed_tokens.begin() + allowed_offsets[static_cast<std::size_t>(row) + 1];
  return std::binary_search(begin, end, token);
}

std::vector<std::int32_t> RowsCase::allowed(std::int64_t row) const {
  if (is_listed()) {
    return {allowed_tokens.begin() + allowed_offsets[static_cast<std::size_t>(row)],
            allowed_tokens.begin() + allowed_offsets[static_cast<std::size_t>(row) + 1]};
  }
  std::vector<std::int32_t> tokens;
  for (std::int64_t token = 0; token < shape.vocab_size; ++token) {
    if (allows(row, token)) tokens.push_back(static_cast<std::int32_t>(token));
  }
  return tokens;
}

void describe(const RowsCase& rows, std::int64_t row) {
  const LogitRows& shape = rows.shape;
  std::fprintf(stderr,
               "rows %lld, V %lld, stride %lld, shift %lld, %s, beam width %lld, temperature %.9g, softcap %g, %s\n",
               static_cast<long long>(shape.rows), static_cast<long long>(shape.vocab_size),
               static_cast<long long>(shape.row_stride), static_cast<long long>(rows.shift),
               kDTypeNames[static_cast<int>(shape.dtype)], static_cast<long long>(shape.beam_width), shape.temperature,
               shape.softcap,
               rows.is_listed()   ? "lists"
               : rows.is_masked() ? "bitmask"
                                  : "all tokens");
  if (row < 0 || row >= shape.rows) return;
  std::fprintf(stderr, "allowed logits of row %lld but those of -infinity:", static_cast<long long>(row));
  int left_to_show = 200;
  for (std::int64_t token = 0; token < shape.vocab_size && left_to_show > 0; ++token) {
    if (!rows.allows(row, token) || rows.logit(row, token) == -INFINITY) continue;
    std::fprintf(stderr, " %lld: %.9g", static_cast<long long>(token), rows.logit(row, token));
    --left_to_show;
  }
  std::fprintf(stderr, left_to_show == 0 ? " ...\n" : "\n");
}

RowsCase read_rows(ByteReader& reader, Draw& draw, bool rows_may_be_empty) {
  static constexpr int kPaddings[] = {0, 0, 0, 1, 2, 7, 13, 64};
  static constexpr int kShifts[] = {0, 0, 1, 3, 4, 5, 8, 15};
  RowsCase rows;
  LogitRows& shape = rows.shape;
  const Sizes sizes = read_sizes(reader);
  shape.rows = sizes.rows;
  shape.vocab_size = sizes.vocab_size;
  shape.dtype = static_cast<DType>(reader.byte() % 3);
  shape.row_stride = shape.vocab_size + reader.one_of(kPaddings);
  rows.shift = reader.one_of(kShifts);
  shape.beam_width = read_beam_width(reader, shape.vocab_size);
  shape.temperature = read_temperature(reader);
  shape.softcap = read_softcap(reader);
  shape.threads = 1;
  read_logits(reader, draw, rows);
  read_constraint(reader, draw, rows_may_be_empty, rows);
  return rows;
}

void read_single_logits(ByteReader& reader, RowsCase& rows) {
  static constexpr double kValues[] = {0,  -0.0, 1,    -1,  kLargestLogit, -kLargestLogit, 0x1p-149,  -0x1p-149,
                                       88, -88,  1e-3, NAN, INFINITY,      -INFINITY,      -INFINITY, 700};
  const auto count = static_cast<std::int64_t>(rows.logits.size());
  while (!reader.is_at_end() && count > 0) {
    const std::int64_t position = reader.two_bytes() % count;
    rows.logits[static_cast<std::size_t>(position)] = encode(reader.one_of(kValues), rows.shape.dtype);
  }
}

void plant_constraint_fault(Draw& draw, RowsCase& rows) {
  constexpr std::int32_t kLargest = std::numeric_limits<std::int32_t>::max();
  const auto any_of = [&](std::vector<std::int32_t>& values) -> std::int32_t& {
    return values[static_cast<std::size_t>(draw.below(static_cast<std::int64_t>(values.size())))];
  };
  if (rows.is_masked()) {
    for (std::uint32_t& word : rows.allowed_bitmask) word &= static_cast<std::uint32_t>(draw.bits());
    if (draw.chance(0.3)) std::fill(rows.allowed_bitmask.begin(), rows.allowed_bitmask.end(), 0u);
    return;
  }
  if (!rows.is_listed()) return;
  std::vector<std::int32_t>& offsets = rows.allowed_offsets;
  std::vector<std::int32_t>& tokens = rows.allowed_tokens;
  const auto vocab_size = static_cast<std::int32_t>(rows.shape.vocab_size);
  switch (draw.below(12)) {
    case 0:
      offsets.front() = 1;
      break;
    case 1:
      offsets.back() = static_cast<std::int32_t>(rows.token_count() + 1);
      break;
    case 2:
      offsets.back() = static_cast<std::int32_t>(rows.token_count() - 1);
      break;
    case 3:
      any_of(offsets) = kLargest;
      break;
    case 4:
      any_of(offsets) = -1;
      break;
    case 5:
      any_of(offsets) = static_cast<std::int32_t>(draw.below(rows.token_count() + 2));
      break;
    case 6:
      tokens.push_back(vocab_size - 1);
      break;
    default: {
      if (tokens.empty()) break;
      const std::int32_t values[] = {vocab_size, -1, kLargest, 0, any_of(tokens), vocab_size - 1};
      any_of(tokens) = values[draw.below(6)];
    }
  }
}

Elements place_tokens(const RowsCase& rows, std::int64_t row, const std::vector<std::int32_t>& tokens) {
  Elements placed(rows.shape.dtype, rows.shift, static_cast<std::int64_t>(tokens.size()));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int64_t at = rows.position(row, tokens[i]);
    placed.set_bits(static_cast<std::int64_t>(i), rows.logits[static_cast<std::size_t>(at)]);
  }
  return placed;
}

Elements place_output(const RowsCase& rows, std::int64_t shift, std::int64_t stride) {
  const LogitRows& shape = rows.shape;
  return Elements(shape.dtype, shift, shape.rows == 0 ? 0 : (shape.rows - 1) * stride + shape.vocab_size);
}

Elements place_rows(const RowsCase& rows, std::int64_t shift, std::int64_t stride) {
  const LogitRows& shape = rows.shape;
  Elements placed = place_output(rows, shift, stride);
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t token = 0; token < shape.vocab_size; ++token) {
      placed.set_bits(row * stride + token, rows.logits[static_cast<std::size_t>(rows.position(row, token))]);
    }
  }
  return placed;
}

} // namespace fused_bear_loss::fuzz
