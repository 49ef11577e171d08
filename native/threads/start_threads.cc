#include "native/threads/start_threads.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <csignal>
#endif

namespace fused_bear_loss {
namespace {

// As many as libuv starts for file system, DNS and zlib: its default and its bounds.
std::size_t libuv_threads() {
  const char* const variable = std::getenv("UV_THREADPOOL_SIZE");
  return static_cast<std::size_t>(variable == nullptr ? 4 : std::clamp(std::atoi(variable), 1, 1024));
}

// Signals belong to JavaScript's threads: one created here starts with all of them blocked.
class SignalBlock {
 public:
#if defined(__unix__) || defined(__APPLE__)
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
#endif
};

// Threads that do nothing but show that there is room for so many. They end with it.
class SpareThreads {
 public:
  SpareThreads() = default;
  SpareThreads(const SpareThreads&) = delete;
  SpareThreads& operator=(const SpareThreads&) = delete;

  ~SpareThreads() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
    }
    end_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Throws where there is no room.
  void start(std::size_t count) {
    threads_.reserve(count);
    while (threads_.size() < count) threads_.emplace_back([this] { wait(); });
  }

 private:
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    end_.wait(lock, [this] { return ended_; });
  }

  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

} // namespace

std::int32_t start_threads(std::int32_t wanted, void (*work)(void*), void* argument) noexcept {
  static std::mutex mutex; // two callers at once would count each other's spare threads
  const std::lock_guard<std::mutex> lock(mutex);
  const SignalBlock block;
  std::int32_t started = 0;
  try {
    SpareThreads spare;
    spare.start(libuv_threads());
    for (; started < wanted; ++started) std::thread(work, argument).detach();
  } catch (const std::exception&) {
    // No more threads, or no memory to describe one.
  }
  return started;
}

} // namespace fused_bear_loss
