// What each thread of a grid runs.
#pragma once

namespace simt {

class ThreadBody {
 public:
  virtual ~ThreadBody() = default;
  virtual void run() const = 0;
};

} // namespace simt
