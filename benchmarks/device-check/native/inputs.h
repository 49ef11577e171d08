// The logits and targets of every timing, ours and the peers': one block of normal numbers again and again, as drawing
// half a billion of them would take longer than the check. The block's length divides no vocabulary, so that rows
// differ.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/device-check/native/device.h"
#include "native/core/logit_rows.h"

namespace fused_bear_loss::device_check {

// What a command line names: float32,4096,32000.
struct Shape {
  DType dtype = DType::kFloat32;
  std::int64_t rows = 0;
  std::int64_t vocab_size = 0;
  std::size_t bytes() const;
};
// Throws std::invalid_argument.
Shape parse_shape(const std::string& text);
const char* dtype_name(DType dtype);
std::vector<std::string> split(const std::string& text, char separator);

// Normal with standard deviation 3.
const std::vector<float>& input_block();
// The block in a dtype, as bytes.
std::vector<char> rounded_block(DType dtype);
// Target of a row: a number that differs from row to row, taken modulo the vocabulary.
std::uint32_t target_seed(std::int64_t row);

// [rows, vocab_size]: entry i is entry i modulo its length of the block.
void fill_logits(const DeviceBuffer& logits, const Shape& shape);
std::vector<std::int32_t> targets_of(const Shape& shape);

// For the peers: the block's length as 64-bit integer, the block in float32, then target seeds of 65536 rows.
void write_inputs(const std::string& file);

} // namespace fused_bear_loss::device_check
