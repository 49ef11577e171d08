// The fuzzer's bytes as the fields of a case. A field keeps its place whatever the fields before it say, and bytes that
// are missing read as 0; so a mutated byte changes one thing, and old files keep their meaning when a field is added
// behind the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace fused_bear_loss::fuzz {

// Numbers of a case that are too many to be read: logits, list entries. SplitMix64, as it takes any seed.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // In [0, limit), which is above 0.
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(limit));
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  // Close enough to a normal distribution: the sum of four uniform numbers, deviation 1, never beyond 3.5.
  double normal() {
    const std::uint64_t four = bits();
    const std::uint64_t sum = (four & 0xffff) + (four >> 16 & 0xffff) + (four >> 32 & 0xffff) + (four >> 48);
    return (static_cast<double>(sum) / 65535 - 2) * 1.7320508;
  }
  bool chance(double probability) { return uniform() < probability; }

 private:
  std::uint64_t state_;
};

class ByteReader {
 public:
  ByteReader(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t byte() {
    const std::size_t at = taken_++;
    return at < size_ ? data_[at] : 0;
  }
  std::uint16_t two_bytes() {
    const unsigned low = byte();
    return static_cast<std::uint16_t>(low | static_cast<unsigned>(byte()) << 8);
  }
  std::uint32_t four_bytes() {
    const std::uint32_t low = two_bytes();
    return low | static_cast<std::uint32_t>(two_bytes()) << 16;
  }
  template <class T, std::size_t kCount>
  T one_of(const T (&values)[kCount]) {
    return values[byte() % kCount];
  }
  // True for `share` of the 256 values of a byte.
  bool chance(int share) { return byte() < share; }
  // The number of bytes that the fields take, for those who make bytes.
  void check_position(std::size_t expected) const {
    if (taken_ != expected) std::abort();
  }
  bool is_at_end() const { return taken_ >= size_; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t taken_ = 0;
};

} // namespace fused_bear_loss::fuzz
