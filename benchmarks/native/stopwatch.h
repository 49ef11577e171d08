// Wall-clock time since its making.
#pragma once

#include <chrono>

namespace fused_bear_loss {

class Stopwatch {
 public:
  double milliseconds() const { return std::chrono::duration<double, std::milli>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start_ = Clock::now();
};

} // namespace fused_bear_loss
