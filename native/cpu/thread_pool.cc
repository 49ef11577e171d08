#include "native/cpu/thread_pool.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "native/threads/start_threads.h"

namespace fused_bear_loss {
namespace {

constexpr std::int32_t kMostThreads = 1024;
// Calls until the pool tries again to start threads that it could not start.
constexpr std::int32_t kCallsBetweenTries = 1000;

// On the stack of its call.
struct Job {
  TaskView task;
  std::int32_t places;      // pool threads that may still join
  std::int32_t running = 0; // pool threads inside the task
  Job* next = nullptr;
};

class ThreadPool {
 public:
  void run(std::int32_t participants, TaskView own, TaskView help) {
    Job job{help, std::min(participants, kMostThreads) - 1};
    const std::int32_t places = job.places;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      grow(places);
      append(job);
    }
    if (places == 1) {
      work_.notify_one();
    } else {
      work_.notify_all();
    }
    own();
    std::unique_lock<std::mutex> lock(mutex_);
    job.places = 0;
    done_.wait(lock, [&] { return job.running == 0; });
    remove(job);
  }

 private:
  // Where there are fewer threads than wanted, the caller does the rest of the work.
  void grow(std::int32_t wanted) {
    if (threads_ >= wanted || --calls_until_try_ > 0) return;
    const auto work = [](void* self) { static_cast<ThreadPool*>(self)->serve(); };
    threads_ += start_threads(wanted - threads_, work, this);
    calls_until_try_ = threads_ < wanted ? kCallsBetweenTries : 0;
  }

  void append(Job& job) {
    Job** end = &jobs_;
    while (*end != nullptr) end = &(*end)->next;
    *end = &job;
  }

  void remove(const Job& job) {
    Job** place = &jobs_;
    while (*place != &job) place = &(*place)->next;
    *place = job.next;
  }

  Job* open_job() {
    Job* job = jobs_;
    while (job != nullptr && job->places == 0) job = job->next;
    return job;
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      Job* job = nullptr;
      work_.wait(lock, [&] { return (job = open_job()) != nullptr; });
      --job->places;
      ++job->running;
      lock.unlock();
      job->task();
      lock.lock();
      if (--job->running == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  Job* jobs_ = nullptr; // oldest first
  std::int32_t threads_ = 0;
  std::int32_t calls_until_try_ = 0;
};

// Never destroyed: its threads wait on it until the process ends.
ThreadPool& pool() {
  alignas(ThreadPool) static char memory[sizeof(ThreadPool)];
  static auto* const shared = new (memory) ThreadPool;
  return *shared;
}

} // namespace

std::int32_t available_threads() {
  return static_cast<std::int32_t>(std::max(1U, std::thread::hardware_concurrency()));
}

void run_in_parallel(std::int32_t participants, TaskView own, TaskView help) {
  if (participants <= 1) {
    own();
  } else {
    pool().run(participants, own, help);
  }
}

} // namespace fused_bear_loss
