#include "native/cpu/thread_pool.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <csignal>
#endif

namespace fused_bear_loss {
namespace {

constexpr std::int32_t kMostThreads = 1024;

struct Job {
  const std::function<void()>* task;
  std::int32_t places;  // pool threads that may still join
  std::int32_t running; // pool threads inside the task
};

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

class ThreadPool {
 public:
  void run(std::int32_t participants, const std::function<void()>& task) {
    std::list<Job> own = {{&task, std::min(participants, kMostThreads) - 1, 0}};
    Job& job = own.front();
    const std::int32_t places = job.places;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      grow(places);
      jobs_.splice(jobs_.end(), own);
    }
    if (places == 1) {
      work_.notify_one();
    } else {
      work_.notify_all();
    }
    task();
    std::unique_lock<std::mutex> lock(mutex_);
    job.places = 0;
    done_.wait(lock, [&] { return job.running == 0; });
    jobs_.remove_if([&](const Job& other) { return &other == &job; });
  }

 private:
  void grow(std::int32_t wanted) {
    const SignalBlock block;
    try {
      for (; threads_ < wanted; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      // Fewer threads than wanted: the caller does the rest of the work.
    }
  }

  Job* open_job() {
    for (Job& job : jobs_) {
      if (job.places > 0) return &job;
    }
    return nullptr;
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      Job* job = nullptr;
      work_.wait(lock, [&] { return (job = open_job()) != nullptr; });
      --job->places;
      ++job->running;
      lock.unlock();
      (*job->task)();
      lock.lock();
      if (--job->running == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::list<Job> jobs_;
  std::int32_t threads_ = 0;
};

// Never destroyed: its threads wait on it until the process ends. The addon is linked with -z nodelete, so that they
// also outlive the unloading of the addon with the last worker that had it.
ThreadPool& pool() {
  static auto* const shared = new ThreadPool;
  return *shared;
}

} // namespace

void run_in_parallel(std::int32_t participants, const std::function<void()>& task) {
  if (participants <= 1) {
    task();
  } else {
    pool().run(participants, task);
  }
}

} // namespace fused_bear_loss
