// Tasks that run off JavaScript's threads, on a few threads that all owners of tasks in the process share. Libuv's
// threads stay free for files, DNS and whatever else needs them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace fused_bear_loss {

class BackgroundTask {
 public:
  virtual ~BackgroundTask() = default;
  // On a thread of the queue, once.
  virtual void run() noexcept = 0;
  // Makes run() end soon if it can, as its result is no longer needed. On any thread.
  virtual void cancel() noexcept = 0;

 private:
  friend class TaskList;
  BackgroundTask* next_ = nullptr;
};

// First in, first out. Allocates nothing.
class TaskList {
 public:
  TaskList() = default;
  ~TaskList() { clear(); }
  TaskList(const TaskList&) = delete;
  TaskList& operator=(const TaskList&) = delete;

  bool empty() const { return first_ == nullptr; }
  void push(std::unique_ptr<BackgroundTask> task) noexcept;
  std::unique_ptr<BackgroundTask> pop() noexcept; // null where it is empty
  void clear() noexcept;

 private:
  BackgroundTask* first_ = nullptr;
  BackgroundTask** end_ = &first_;
};

class BackgroundLane;

// Never destroyed, as its threads never end. Two, so that one task computes while the results of another are taken
// away.
class BackgroundQueue {
 public:
  BackgroundQueue() = default;
  BackgroundQueue(const BackgroundQueue&) = delete;
  BackgroundQueue& operator=(const BackgroundQueue&) = delete;

 private:
  friend class BackgroundLane;
  friend void stop_background_queues() noexcept;

  static constexpr std::int32_t kThreads = 2;

  // A task that runs, and the lane that it came from.
  struct Place {
    BackgroundTask* task = nullptr;
    BackgroundLane* lane = nullptr;
  };

  bool has_threads() noexcept; // after trying to start them
  void serve();
  void append(BackgroundLane& lane) noexcept;
  void remove(BackgroundLane& lane) noexcept;
  // Cancels them, and waits; null: of all lanes.
  void end_running_of(std::unique_lock<std::mutex>& lock, const BackgroundLane* lane) noexcept;
  void stop() noexcept;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ended_;   // a task
  BackgroundLane* lanes_ = nullptr; // that have tasks waiting; the first is next
  Place places_[kThreads];
  std::int32_t threads_ = 0;
  std::int32_t serving_ = 0; // of these, those that have a place
  bool stopped_ = false;     // the process ends
};

// The tasks of one owner, run in the order in which they were added, and handed back when they have ended. The lanes of
// a queue take turns, so that none waits for all tasks of another.
class BackgroundLane {
 public:
  // `notify(owner)` is called whenever a task has ended, on the thread that ran it. It must not call the lane.
  BackgroundLane(BackgroundQueue& queue, void (*notify)(void*), void* owner)
      : queue_(queue), notify_(notify), owner_(owner) {}
  ~BackgroundLane() { close(); }
  BackgroundLane(const BackgroundLane&) = delete;
  BackgroundLane& operator=(const BackgroundLane&) = delete;

  // Allocates nothing but threads. Where there is no thread and none can be had, the task runs here and now.
  void add(std::unique_ptr<BackgroundTask> task) noexcept;

  // A task that has ended; null where there is none.
  std::unique_ptr<BackgroundTask> take_ended() noexcept;

  // Cancels what runs, waits until it has ended, and destroys all tasks, also those that are added later. Then nothing
  // is notified any more.
  void close() noexcept;

 private:
  friend class BackgroundQueue;

  void hand_back(std::unique_ptr<BackgroundTask> task) noexcept;

  BackgroundQueue& queue_;
  void (*notify_)(void*);
  void* owner_;
  // Guarded by the queue's mutex.
  TaskList waiting_;
  TaskList ended_;
  bool closed_ = false;
  BackgroundLane* next_ = nullptr; // of the queue's list
};

// Tasks that compute, and tasks that wait for a device: these take no processor, and must not keep the others from one.
BackgroundQueue& computing_queue();
BackgroundQueue& waiting_queue();

} // namespace fused_bear_loss
