#include "test/emulator/mutation/small_cases.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "native/cuda/kernels/shared_layout.h"

namespace fused_bear_loss::mutation {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

cuda::DeviceProperties device(std::size_t per_block, std::size_t per_multiprocessor) {
  cuda::DeviceProperties properties = {};
  properties.compute_major = 9; // has kernels for rows without a gradient, and overlaps kernels
  properties.shared_bytes_per_block = per_block;
  properties.shared_bytes_per_multiprocessor = per_multiprocessor;
  return properties;
}

// The row stays in shared memory.
cuda::DeviceProperties one_block() { return device(99 * 1024, cuda::kBlocksPerMultiprocessor * 100 * 1024); }
// Too little for any row: it is read twice.
cuda::DeviceProperties no_room() { return device(cuda::kRowOffset + 16, 100 * 1024); }
// Of rows that do not fit, some tiles do: one of a block of 64 threads, or of any block.
cuda::DeviceProperties room_for_a_short_tile() { return device(cuda::kRowOffset + 300 * 16, 100 * 1024); }
cuda::DeviceProperties room_for_a_tile() { return device(cuda::kRowOffset + 1100 * 16, 100 * 1024); }
// Rows do not fit where they are listed dense: only short lists are kept.
cuda::DeviceProperties room_for_a_list() { return device(cuda::kRowOffset + 4 * 16, 100 * 1024); }

class Builder {
 public:
  Builder(std::string name, std::int64_t rows, std::int64_t vocab_size, std::int64_t beam_width,
          cuda::DeviceProperties properties) {
    case_.name = std::move(name);
    case_.properties = properties;
    case_.on_chip = properties.shared_bytes_per_block >= one_block().shared_bytes_per_block;
    LossProblem& p = case_.problem;
    p.rows = rows;
    p.vocab_size = p.row_stride = vocab_size;
    p.beam_width = beam_width;
    std::mt19937 random(static_cast<unsigned>(rows * 7919 + vocab_size));
    std::normal_distribution<float> normal(0, 3);
    std::generate_n(std::back_inserter(case_.logits), rows * vocab_size, [&] { return normal(random); });
    for (std::int64_t row = 0; row < rows; ++row) {
      case_.targets.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab_size)));
    }
    // The ends of a row are where bounds go wrong.
    case_.targets[0] = 0;
    case_.targets.back() = static_cast<std::int32_t>(vocab_size - 1);
  }
  LossProblem& problem() { return case_.problem; }
  SmallCase& small_case() { return case_; }
  float* row(std::int64_t index) { return case_.logits.data() + index * case_.problem.vocab_size; }

  template <class Change>
  Builder& with(Change change) {
    change(*this);
    return *this;
  }
  // Each row lists its target and every `step`-th token or so, the first row from token 0 on.
  Builder& listed(int step) {
    case_.allowed_offsets.push_back(0);
    for (std::int64_t row = 0; row < problem().rows; ++row) {
      for (std::int32_t token = 0; token < problem().vocab_size; ++token) {
        if ((token + row) % (step + row) == 0 || token == target(row)) case_.allowed_tokens.push_back(token);
      }
      case_.allowed_offsets.push_back(static_cast<std::int32_t>(case_.allowed_tokens.size()));
    }
    return *this;
  }
  Builder& masked(int step) {
    const std::int64_t words = bitmask_words(problem().vocab_size);
    case_.allowed_bitmask.assign(static_cast<std::size_t>(problem().rows * words), 0);
    for (std::int64_t row = 0; row < problem().rows; ++row) {
      for (std::int32_t token = 0; token < problem().vocab_size; ++token) {
        if (token % step != 0 && token != target(row)) continue;
        case_.allowed_bitmask[static_cast<std::size_t>(row * words + token / 32)] |= 1u << token % 32;
      }
    }
    return *this;
  }
  std::int32_t target(std::int64_t row) const { return case_.targets[static_cast<std::size_t>(row)]; }
  void add_to(std::vector<SmallCase>& cases) const { cases.push_back(case_); }

 private:
  SmallCase case_;
};

void flow(Builder& b) {
  b.problem().threshold_gradient = ThresholdGradient::kFlow;
  b.problem().penalty = Penalty::kSoftplus;
}
void smoothing(Builder& b) { b.problem().label_smoothing = 0.1; }
void softcap(Builder& b) { b.problem().softcap = 5; }
void forward_only(Builder& b) { b.problem().gradient = GradientMode::kNone; }
void older_device(Builder& b) { b.small_case().properties.compute_major = 8; }
void in_place(Builder& b) { b.problem().gradient = GradientMode::kInPlace; }
void sparse(Builder& b) { b.problem().gradient = GradientMode::kInPlaceSparse; }
void unaligned(Builder& b) { b.small_case().shift = 1; }
void padded(Builder& b) { b.problem().row_stride = b.problem().vocab_size + 5; }
// Every row begins at a multiple of 16 bytes, whatever the vocabulary: 8 logits of 16 bits, or twice 4 of 32.
void aligned(Builder& b) { b.problem().row_stride = (b.problem().vocab_size + 7) / 8 * 8; }
void far_from_zero(Builder& b) {
  for (float& logit : b.small_case().logits) logit = logit * 200 - 30'000;
}
void ascending(Builder& b) { std::sort(b.small_case().logits.begin(), b.small_case().logits.end()); }
void descending(Builder& b) { std::sort(b.small_case().logits.rbegin(), b.small_case().logits.rend()); }
void with_ties(Builder& b) {
  for (float& logit : b.small_case().logits) logit = std::round(logit / 2);
}
void all_equal(Builder& b) { std::fill(b.small_case().logits.begin(), b.small_case().logits.end(), 1.5f); }
void one_ignored(Builder& b) { b.small_case().targets[1] = b.problem().ignore_index; }
void all_ignored(Builder& b) {
  std::fill(b.small_case().targets.begin(), b.small_case().targets.end(), b.problem().ignore_index);
}
void without_ranks(Builder& b) { b.small_case().without_ranks = true; }
// Without a bound, whatever has been swept is looked at again.
void without_bound(Builder& b) {
  without_ranks(b);
  b.small_case().on_chip = false;
}
void read_once(Builder& b) {
  without_ranks(b);
  b.small_case().on_chip = true;
}
void first_tile_masked(Builder& b) {
  float* row = b.row(0);
  std::fill(row, row + b.problem().vocab_size - 3, -kInfinity);
  b.small_case().targets[0] = static_cast<std::int32_t>(b.problem().vocab_size - 2);
}
// The first thread has no logit of the first tile, and others have more than the queue has places for.
void first_thread_masked(Builder& b) {
  std::fill(b.row(0), b.row(0) + 1024, -kInfinity);
  b.small_case().targets[0] = 5000;
}
// Of every warp, the first lanes alone have logits: fewer groups of threads than a beam of 10 wants.
void few_lanes(Builder& b) {
  float* row = b.row(0);
  for (std::int64_t token = 0; token < b.problem().vocab_size; ++token) {
    if (token % 256 >= 16 && token != b.target(0)) row[token] = -kInfinity;
  }
}
// In float32, the first tile leaves nothing in the queue, and the second as much as it has places for.
void second_tile_fills_queue(Builder& b) {
  float* row = b.row(0);
  std::fill(row, row + b.problem().vocab_size, 0.0f);
  for (int i = 0; i < cuda::kQueueCapacity; ++i) row[4096 + 4 * i] = 1 + static_cast<float>(i) / 1024;
}
void only_one_other(Builder& b) {
  float* row = b.row(0);
  std::fill(row, row + b.problem().vocab_size, -kInfinity);
  row[5] = 1;
}
void not_finite(Builder& b) {
  const std::int64_t vocab_size = b.problem().vocab_size;
  b.row(0)[vocab_size - 1] = kNaN;
  std::fill(b.row(1), b.row(1) + vocab_size, -kInfinity);
  b.row(2)[vocab_size / 2] = kInfinity;
  b.row(3)[b.target(3)] = -kInfinity; // an infinite loss
  b.row(4)[b.target(4)] = kNaN;
}
void weighted(Builder& b) {
  for (std::int64_t row = 0; row < b.problem().rows; ++row) {
    b.small_case().token_weights.push_back(0.5f + static_cast<float>(row));
    b.small_case().penalty_weights.push_back(2 - 0.25f * static_cast<float>(row % 3));
  }
}
void weighted_mean(Builder& b) {
  b.small_case().on_chip = false; // the divisor is known after all rows
  b.problem().reduction = Reduction::kWeightedMean;
  b.problem().penalty = Penalty::kReweight;
}
void none(Builder& b) {
  b.problem().reduction = Reduction::kNone;
  for (std::int64_t row = 0; row < b.problem().rows; ++row) {
    b.small_case().grad_output_rows.push_back(static_cast<float>(row) - 1.5f);
  }
}
void separate(Builder& b) {
  b.small_case().separate_passes = true;
  b.small_case().on_chip = false;
}
void changing_list(Builder& b) {
  separate(b);
  b.small_case().list_changes = true;
}
void no_pruning_statistics(Builder& b) {
  b.problem().penalty = Penalty::kNone;
  b.problem().pruning_statistics = false;
}
void chunks(Builder& b) { b.small_case().chunk_rows = 2; }

// An ignored row may list nothing, also where its list begins at the end of all lists.
void last_list_empty(Builder& b) {
  SmallCase& c = b.small_case();
  c.targets.back() = b.problem().ignore_index;
  c.allowed_offsets.back() = c.allowed_offsets[c.allowed_offsets.size() - 2];
  c.allowed_tokens.resize(static_cast<std::size_t>(c.allowed_offsets.back()));
}

void add_sizes(std::vector<SmallCase>& cases) {
  for (const std::int64_t vocab_size : {1, 3, 4, 33, 255, 256, 515}) {
    Builder("one block", 3, vocab_size, std::min<std::int64_t>(5, vocab_size), one_block()).with(flow).add_to(cases);
  }
  for (const std::int64_t beam_width : {1, 2, 16, 64, 65, 256, 257, 600}) {
    Builder("beam width", 2, 1031, beam_width, one_block()).with(flow).add_to(cases);
  }
  for (const std::int64_t vocab_size : {1, 2, 5, 9}) {
    Builder("an ignored row within a vector", 3, vocab_size, 1, one_block())
        .with(unaligned)
        .with(one_ignored)
        .add_to(cases);
  }
  Builder("128 threads", 2, 1030, 10, one_block()).with(one_ignored).add_to(cases);
  Builder("256 threads", 2, 4600, 70, one_block()).with(smoothing).add_to(cases);
  Builder("no gradient", 2, 300, 10, one_block()).with(forward_only).add_to(cases);
  Builder("no gradient, a wide beam", 2, 300, 270, no_room()).with(forward_only).add_to(cases);
  // The last of a full tile's vectors is cut off by the end of the row: 4 or 8 logits a vector.
  for (const std::int64_t tile : {256, 512, 1024}) {
    for (const std::int64_t length : {4, 8}) {
      const std::int64_t vocab_size = tile * length - 1;
      Builder("a full tile but one", 2, vocab_size, 10, one_block()).with(flow).add_to(cases);
      Builder("a full tile but one, two reads", 2, vocab_size, 10, no_room()).with(flow).add_to(cases);
      // Nothing follows the row: reading on is out of bounds.
      Builder("a full tile but one, one row", 1, vocab_size, 10, no_room()).with(flow).add_to(cases);
    }
  }
  Builder("several tiles a block", 2, 9000, 10, one_block()).with(flow).add_to(cases);
  Builder("plain, several tiles a block", 1, 9000, 10, one_block()).with(without_ranks).add_to(cases);
  // Between two checks of the queue, nothing but a warp's own barriers orders its tiles.
  Builder("plain, more tiles than checks, narrow", 1, 9003, 20, no_room())
      .with(read_once)
      .with(unaligned)
      .with(forward_only)
      .add_to(cases);
  Builder("a beam of one, a masked target and one other", 2, 1100, 1, one_block())
      .with(only_one_other)
      .with(weighted_mean)
      .add_to(cases);
  Builder("plain, a beam of one, a masked target and one other", 2, 1100, 1, one_block())
      .with(only_one_other)
      .with(weighted_mean)
      .with(without_ranks)
      .add_to(cases);
  for (const auto& properties : {one_block(), no_room()}) {
    Builder("plain, 256 threads", 1, 4601, 70, properties).with(without_ranks).with(aligned).add_to(cases);
    Builder("plain, 256 threads, narrow", 1, 4601, 70, properties).with(without_ranks).with(unaligned).add_to(cases);
  }
  Builder("beam width above V", 3, 9, 50, one_block()).with(flow).add_to(cases);
  Builder("beam width beyond 32 bits", 3, 9, std::int64_t{1} << 32, one_block()).with(flow).add_to(cases);
  Builder("plain, beam width above V", 2, 200, 300, no_room()).with(forward_only).with(without_bound).add_to(cases);
  Builder("beam width above V, radix", 3, 260, 300, one_block()).with(flow).add_to(cases);
  // Plain rows so long that a group of logits is of several tiles.
  for (const std::int64_t beam_width : {10, 20, 100}) {
    Builder("plain, long", 1, 35'001, beam_width, no_room()).with(without_ranks).add_to(cases);
    Builder("plain, long, narrow", 1, 35'001, beam_width, no_room()).with(without_ranks).with(unaligned).add_to(cases);
    Builder("plain, long, a tile kept", 1, 35'001, beam_width, room_for_a_tile()).with(without_ranks).add_to(cases);
    Builder("plain, long, kept", 1, 17'000, beam_width, one_block()).with(without_ranks).add_to(cases);
  }
  for (const auto& order : {ascending, descending, with_ties, all_equal, few_lanes, first_tile_masked}) {
    Builder("plain, long, in order", 1, 35'001, 10, room_for_a_tile()).with(without_ranks).with(order).add_to(cases);
  }
  // Plain rows that fit the queue, with a beam too wide for it.
  for (const auto& properties : {one_block(), no_room()}) {
    for (const std::int64_t beam_width : {256, 257, 300, 1000}) {
      Builder("plain, a beam wider than the queue's", 3, 300, beam_width, properties).with(without_bound).add_to(cases);
    }
    Builder("plain, a beam wider than the queue's, a queue full of logits", 2, 1024, 600, properties)
        .with(without_bound)
        .with(forward_only)
        .add_to(cases);
  }
  // Whether a row has one allowed token or several decides what the weighted mean counts.
  Builder("a beam of one, one bit in a long row", 2, 1100, 1, one_block())
      .masked(2000)
      .with(weighted_mean)
      .add_to(cases);
  Builder("a wide beam, one bit in a long row", 2, 1100, 300, one_block())
      .masked(2000)
      .with(weighted_mean)
      .add_to(cases);
  for (const auto& properties : {one_block(), no_room()}) {
    Builder("a wide beam, fewer bits", 2, 1100, 300, properties).masked(100).with(flow).add_to(cases);
  }
  Builder("a queue that is just full", 2, 1024, 200, one_block()).with(forward_only).with(without_bound).add_to(cases);
  for (const std::int64_t vocab_size : {300, 4600, 9000}) {
    for (const auto& properties : {one_block(), no_room()}) {
      Builder("read once", 2, vocab_size, 10, properties).with(without_ranks).with(flow).add_to(cases);
    }
  }
  // Wide beams whose row is read once, though nobody keeps it: the queue must not overflow.
  for (const std::int64_t vocab_size : {1100, 4600, 9000}) {
    Builder("a wide beam, not kept", 2, vocab_size, 256, one_block())
        .with(forward_only)
        .with(without_ranks)
        .add_to(cases);
  }
  Builder("a wide beam, few bits a tile", 1, 30'000, 250, one_block())
      .masked(20)
      .with(forward_only)
      .with(without_ranks)
      .add_to(cases);
  Builder("few logits in the first tile, all above the threshold", 1, 9000, 250, one_block())
      .with(descending)
      .masked(20)
      .add_to(cases);
  Builder("more ties at a cut than there are places", 1, 17'000, 256, one_block()).with(with_ties).add_to(cases);
  Builder("a first tile without logits", 1, 9000, 10, one_block()).with(first_tile_masked).add_to(cases);
  Builder("a first thread without logits", 2, 8000, 200, one_block())
      .with(first_thread_masked)
      .with(forward_only)
      .with(without_ranks)
      .add_to(cases);
  Builder("a queue that is just full at a check", 1, 12'000, 10, one_block())
      .with(second_tile_fills_queue)
      .add_to(cases);
  Builder("a queue that overflows by far", 2, 9000, 250, one_block()).with(ascending).with(flow).add_to(cases);
  // 130 vectors of 16 bits: 34 threads have some, whose maxima give a bound if they are taken one by one.
  Builder("plain, a short tile of more logits than places", 1, 1040, 10, no_room())
      .with(read_once)
      .with(forward_only)
      .add_to(cases);
  // Both tokens of the list are in one vector, so that the two may become the same.
  Builder("a list that changes between the passes", 1, 40, 6, no_room()).listed(1000).with(changing_list).add_to(cases);
  Builder("all ignored", 3, 20, 2, one_block()).with(all_ignored).add_to(cases);
  Builder("many rows", 1100, 2, 1, one_block()).with(weighted).add_to(cases);
}

void add_shapes_of_rows(std::vector<SmallCase>& cases, const char* name, const cuda::DeviceProperties& properties) {
  const auto builder = [&](const char* what, std::int64_t vocab_size, std::int64_t beam_width) {
    return Builder(std::string(name) + ", " + what, 3, vocab_size, beam_width, properties);
  };
  builder("a tail", 301, 10).with(flow).with(smoothing).add_to(cases);
  builder("capped", 302, 10).with(flow).with(softcap).add_to(cases);
  builder("a wide beam", 303, 270).with(flow).add_to(cases);
  builder("unaligned", 304, 4).with(unaligned).with(flow).add_to(cases);
  builder("padded", 307, 4).with(padded).add_to(cases);
  builder("in place", 300, 40).with(in_place).with(one_ignored).add_to(cases);
  builder("ties", 400, 30).with(with_ties).with(flow).add_to(cases);
  builder("all equal", 131, 7).with(all_equal).with(flow).add_to(cases);
  builder("ascending", 2600, 250).with(ascending).with(flow).add_to(cases);
  builder("descending", 1300, 100).with(descending).with(flow).add_to(cases);
  builder("masked until late", 290, 10).with(first_tile_masked).with(flow).add_to(cases);
  builder("lists", 310, 6).listed(3).with(flow).add_to(cases);
  builder("short lists", 310, 6).listed(60).with(flow).with(smoothing).add_to(cases);
  builder("lists of one", 40, 6).listed(1000).with(one_ignored).add_to(cases);
  builder("an empty list", 310, 6).listed(4).with(last_list_empty).add_to(cases);
  builder("sparse", 310, 6).listed(7).with(sparse).with(flow).add_to(cases);
  builder("bitmask", 309, 6).masked(3).with(flow).add_to(cases);
  builder("few bits", 309, 6).masked(70).with(unaligned).with(smoothing).add_to(cases);
  builder("weighted mean", 205, 8).with(weighted_mean).with(weighted).add_to(cases);
  builder("weighted mean of beams of one", 35, 1).listed(20).with(weighted_mean).add_to(cases);
  builder("weighted mean, lists of one", 35, 1).listed(1000).with(weighted_mean).add_to(cases);
  builder("row losses", 205, 8).with(none).with(one_ignored).add_to(cases);
  builder("separate passes", 206, 8).with(separate).with(flow).add_to(cases);
  builder("separate passes, lists", 206, 8).listed(5).with(separate).with(flow).add_to(cases);
  builder("separate passes, capped", 205, 8).with(softcap).with(separate).with(flow).add_to(cases);
  builder("plain cross-entropy", 200, 10).with(no_pruning_statistics).add_to(cases);
  builder("chunks", 100, 10).with(chunks).add_to(cases);
  Builder(std::string(name) + ", not finite", 6, 130, 3, properties).with(not_finite).with(flow).add_to(cases);
  Builder(std::string(name) + ", not finite, bitmask", 6, 70, 3, properties).masked(2).with(not_finite).add_to(cases);
  Builder(std::string(name) + ", not finite, lists", 6, 70, 3, properties).listed(2).with(not_finite).add_to(cases);
}

// Rows without options, which have kernels of their own: wide where they are aligned, narrow where not.
void add_plain_rows(std::vector<SmallCase>& cases, const char* name, const cuda::DeviceProperties& properties) {
  for (const bool wide : {true, false}) {
    const auto builder = [&](const char* what, std::int64_t rows, std::int64_t vocab_size, std::int64_t beam_width) {
      const std::string full_name = std::string("plain, ") + name + (wide ? ", wide, " : ", narrow, ") + what;
      return Builder(full_name, rows, vocab_size, beam_width, properties)
          .with(without_ranks)
          .with(wide ? aligned : unaligned);
    };
    builder("less than a vector", 2, 3, 2).add_to(cases);
    builder("a tail", 3, 301, 10).add_to(cases);
    builder("several tiles", 2, 2603, 20).add_to(cases);
    const Builder no_gradient = builder("several tiles, no gradient", 2, 2603, 20).with(forward_only).with(read_once);
    no_gradient.add_to(cases);
    Builder(no_gradient).with(older_device).add_to(cases);
    builder("whole tiles", 1, 4096, 20).add_to(cases);
    builder("whole tiles but one", 1, 4095, 20).add_to(cases);
    builder("in place", 3, 1100, 10).with(in_place).with(one_ignored).add_to(cases);
    builder("ties", 2, 1030, 10).with(with_ties).add_to(cases);
    builder("bound by lanes", 2, 2601, 16).add_to(cases);
    builder("bound by threads", 2, 2601, 17).add_to(cases);
    builder("ascending", 1, 2600, 20).with(ascending).add_to(cases);
    builder("descending", 1, 2600, 10).with(descending).add_to(cases);
    builder("all equal", 2, 1030, 10).with(all_equal).add_to(cases);
    builder("all equal, a wide beam", 2, 1030, 20).with(all_equal).add_to(cases);
    builder("more candidates than are ranked", 1, 9000, 10).with(few_lanes).add_to(cases);
    builder("more candidates than the queue holds", 1, 18'000, 10).with(few_lanes).add_to(cases);
    builder("ascending, more candidates than are ranked", 1, 9000, 64).with(ascending).add_to(cases);
    builder("masked until late", 2, 1300, 10).with(first_tile_masked).add_to(cases);
    builder("far from 0", 2, 1029, 10).with(far_from_zero).add_to(cases);
    builder("not finite", 6, 130, 3).with(not_finite).add_to(cases);
    builder("weighted mean", 3, 301, 10).with(weighted_mean).with(weighted).add_to(cases);
    builder("chunks", 5, 40, 3).with(chunks).with(none).add_to(cases);
  }
}

// What find_fault() refuses, and the device must find too, without going out of bounds.
void add_faulty(std::vector<SmallCase>& cases) {
  const auto add = [&](const char* name, Builder builder, auto change) {
    builder.small_case().name = name;
    builder.small_case().faulty = true;
    change(builder.small_case());
    builder.add_to(cases);
  };
  const Builder plain("", 20, 70, 5, one_block());
  const Builder listed = Builder("", 5, 70, 5, one_block()).listed(2);
  const Builder all_listed = Builder("", 3, 70, 5, one_block()).listed(1);
  const Builder masked = Builder("", 4, 70, 5, one_block()).masked(3);
  add("target = V", plain, [](SmallCase& c) { c.targets[13] = 70; });
  add("target = V, no options", plain, [](SmallCase& c) {
    c.targets[13] = 70;
    c.without_ranks = true;
  });
  // The check takes 256 rows at a time, or 8 where they have lists.
  add("target = V, of many rows", Builder("", 300, 3, 1, one_block()),
      [](SmallCase& c) { c.targets[270] = c.targets[290] = 3; });
  add("token = V, of many rows", Builder("", 20, 7, 2, one_block()).listed(2),
      [](SmallCase& c) { c.allowed_tokens[static_cast<std::size_t>(c.allowed_offsets[18]) - 1] = 7; });
  add("target = -1", plain, [](SmallCase& c) { c.targets[9] = c.targets[17] = -1; });
  add("token = V", listed,
      [](SmallCase& c) { c.allowed_tokens[static_cast<std::size_t>(c.allowed_offsets[3]) - 1] = 70; });
  add("token = -1", listed,
      [](SmallCase& c) { c.allowed_tokens[static_cast<std::size_t>(c.allowed_offsets[2])] = -1; });
  add("token twice", listed, [](SmallCase& c) { c.allowed_tokens[4] = c.allowed_tokens[3]; });
  add("token 0 in the middle", listed, [](SmallCase& c) { c.allowed_tokens[4] = 0; });
  add("two faults for one lane", all_listed, [](SmallCase& c) {
    c.allowed_tokens[3] = 80;
    c.allowed_tokens[3 + 32] = 90;
  });
  add("target not in its list", listed, [](SmallCase& c) { c.targets[1] = 1; });
  add("offsets descend", listed, [](SmallCase& c) { c.allowed_offsets[2] = c.allowed_offsets[1] - 1; });
  add("offsets begin late", listed, [](SmallCase& c) { c.allowed_offsets[0] = 1; });
  add("offsets end early", listed, [](SmallCase& c) { c.allowed_offsets[5] -= 1; });
  add("an offset beyond the list", listed, [](SmallCase& c) { c.allowed_offsets[3] = c.allowed_offsets[5] + 1; });
  add("offsets end beyond the list", listed, [](SmallCase& c) { c.allowed_offsets[5] += 1; });
  add("a negative offset", listed, [](SmallCase& c) { c.allowed_offsets[2] = -1; });
  add("an empty list", listed, [](SmallCase& c) { c.allowed_offsets[1] = 0; });
  add("target not in its bitmask", masked, [](SmallCase& c) { c.targets[2] = 1; });
  add("one bit that is not the target's", masked, [](SmallCase& c) {
    std::fill(c.allowed_bitmask.begin() + 3, c.allowed_bitmask.begin() + 6, 0u);
    c.allowed_bitmask[3] = 1u << 10;
    c.targets[1] = 11;
  });
  add("an empty bitmask", masked, [](SmallCase& c) {
    std::fill(c.allowed_bitmask.begin() + 3, c.allowed_bitmask.begin() + 6, 0u);
    c.allowed_bitmask[5] = 1u << 6; // past the vocabulary: token 70
  });
}

} // namespace

std::vector<SmallCase> small_cases() {
  std::vector<SmallCase> cases;
  add_sizes(cases);
  add_shapes_of_rows(cases, "one block", one_block());
  add_shapes_of_rows(cases, "two reads", no_room());
  add_shapes_of_rows(cases, "room for a list", room_for_a_list());
  add_plain_rows(cases, "one block", one_block());
  add_plain_rows(cases, "two reads", no_room());
  add_plain_rows(cases, "a tile kept", room_for_a_short_tile());
  add_faulty(cases);
  return cases;
}

} // namespace fused_bear_loss::mutation
