#include "benchmarks/device-check/native/inputs.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "native/core/dtype.h"

namespace fused_bear_loss::device_check {
namespace {

constexpr std::size_t kBlockLength = 1'000'003;
constexpr std::int64_t kTargetSeeds = 65536;

// The finaliser of MurmurHash3.
std::uint32_t mixed(std::uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6bu;
  x = (x ^ x >> 13) * 0xc2b2ae35u;
  return x ^ x >> 16;
}

double uniform(std::uint32_t index) { return (mixed(index * 0x9e3779b9u + 1) + 0.5) / 4294967296.0; }

template <class Element>
void round_block(std::vector<char>& bytes) {
  const std::vector<float>& block = input_block();
  bytes.resize(block.size() * sizeof(Element));
  for (std::size_t i = 0; i < block.size(); ++i) {
    Element rounded;
    from_float(block[i], rounded);
    std::memcpy(&bytes[i * sizeof rounded], &rounded, sizeof rounded);
  }
}

} // namespace

std::size_t Shape::bytes() const { return static_cast<std::size_t>(rows * vocab_size * element_size(dtype)); }

const char* dtype_name(DType dtype) {
  return dtype == DType::kFloat32 ? "float32" : dtype == DType::kFloat16 ? "float16" : "bfloat16";
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Shape parse_shape(const std::string& text) {
  const std::vector<std::string> parts = split(text, ',');
  Shape shape;
  if (parts.size() != 3) throw std::invalid_argument("a shape is dtype,rows,vocabulary, not " + text);
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    if (parts[0] == dtype_name(dtype)) shape.dtype = dtype;
  }
  shape.rows = std::stoll(parts[1]);
  shape.vocab_size = std::stoll(parts[2]);
  if (parts[0] != dtype_name(shape.dtype) || shape.rows < 1 || shape.vocab_size < 1) {
    throw std::invalid_argument("no shape: " + text);
  }
  return shape;
}

const std::vector<float>& input_block() {
  static const std::vector<float> block = [] {
    std::vector<float> values(kBlockLength);
    for (std::uint32_t i = 0; i < kBlockLength; ++i) {
      const double radius = std::sqrt(-2 * std::log(uniform(2 * i)));
      values[i] = static_cast<float>(3 * radius * std::cos(2 * 3.14159265358979323846 * uniform(2 * i + 1)));
    }
    return values;
  }();
  return block;
}

std::vector<char> rounded_block(DType dtype) {
  std::vector<char> bytes;
  if (dtype == DType::kFloat32) round_block<float>(bytes);
  if (dtype == DType::kFloat16) round_block<Float16>(bytes);
  if (dtype == DType::kBFloat16) round_block<BFloat16>(bytes);
  return bytes;
}

std::uint32_t target_seed(std::int64_t row) { return mixed(static_cast<std::uint32_t>(row) + 12345) >> 1; }

void fill_logits(const DeviceBuffer& logits, const Shape& shape) {
  const std::vector<char> block = rounded_block(shape.dtype);
  const std::size_t bytes = shape.bytes();
  std::size_t filled = std::min(bytes, block.size());
  logits.upload(block.data(), filled);
  for (; filled < bytes; filled += std::min(filled, bytes - filled)) {
    must("copy on the device",
         cudaMemcpy(logits.as() + filled, logits.as(), std::min(filled, bytes - filled), cudaMemcpyDeviceToDevice));
  }
}

std::vector<std::int32_t> targets_of(const Shape& shape) {
  std::vector<std::int32_t> targets(static_cast<std::size_t>(shape.rows));
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    targets[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(target_seed(row) % shape.vocab_size);
  }
  return targets;
}

void write_inputs(const std::string& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "wb"), std::fclose);
  if (out == nullptr) throw std::runtime_error("cannot write " + file);
  const auto write = [&](const void* data, std::size_t bytes) {
    if (std::fwrite(data, 1, bytes, out.get()) != bytes) throw std::runtime_error("cannot write " + file);
  };
  const auto length = static_cast<std::int64_t>(kBlockLength);
  write(&length, sizeof length);
  write(input_block().data(), kBlockLength * sizeof(float));
  for (std::int64_t row = 0; row < kTargetSeeds; ++row) {
    const std::uint32_t seed = target_seed(row);
    write(&seed, sizeof seed);
  }
}

} // namespace fused_bear_loss::device_check
