// How a fuzz target says that a result is wrong, and the tolerances of docs/math.md.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fused_bear_loss::fuzz {

// Of a row's gradient, relative to its largest term; of losses and statistics, relative to what they are sums of.
constexpr double kGradientTolerance = 5e-6;
constexpr double kLossTolerance = 1e-5;
// A softcap is computed in float32, and its error is divided by the temperature.
constexpr double kSoftcapTolerance = 4 * 0x1p-23;
// The exponents of exponentials are float32 numbers.
constexpr double kExponentTolerance = 0x1p-23;
// The mean of the scaled logits, for label smoothing, is a sum in float32.
constexpr double kMeanTolerance = 2e-6;
// Nothing is said of numbers below the normal ones of float32.
constexpr double kSmallestNormal = 0x1p-126;

// What was being checked, for the message: the kernels and the way to the results.
struct Context {
  const char* instruction_set;
  const char* way;
};

// Prints the case that is being checked, and the logits of the row that is wrong; each fuzz target has its own.
void describe_case(std::int64_t row);

[[noreturn]] inline void fail(const Context& context, const char* what, std::int64_t row, std::int64_t token,
                              double got, double expected) {
  std::fprintf(stderr, "MISMATCH: %s, %s: %s of row %lld, token %lld: got %.9g, expected %.9g\n",
               context.instruction_set, context.way, what, static_cast<long long>(row), static_cast<long long>(token),
               got, expected);
  describe_case(row);
  std::abort();
}

inline bool is_close(double got, double expected, double tolerance) {
  if (std::isnan(expected)) return std::isnan(got);
  if (std::isinf(expected)) return got == expected;
  return std::fabs(got - expected) <= tolerance;
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

} // namespace fused_bear_loss::fuzz
