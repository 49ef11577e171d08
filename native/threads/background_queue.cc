#include "native/threads/background_queue.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <new>
#include <utility>

#include "native/threads/start_threads.h"

namespace fused_bear_loss {

void TaskList::push(std::unique_ptr<BackgroundTask> task) noexcept {
  *end_ = task.release();
  end_ = &(*end_)->next_;
}

std::unique_ptr<BackgroundTask> TaskList::pop() noexcept {
  std::unique_ptr<BackgroundTask> task(first_);
  if (task == nullptr) return nullptr;
  first_ = std::exchange(task->next_, nullptr);
  if (first_ == nullptr) end_ = &first_;
  return task;
}

void TaskList::clear() noexcept {
  while (pop() != nullptr) {
  }
}

// At the exit of the process: what a thread looks at must not be taken down under it.
void stop_background_queues() noexcept {
  computing_queue().stop();
  waiting_queue().stop();
}

bool BackgroundQueue::has_threads() noexcept {
  if (threads_ < kThreads) {
    static const int registered = std::atexit([] { stop_background_queues(); });
    static_cast<void>(registered);
    const auto work = [](void* self) { static_cast<BackgroundQueue*>(self)->serve(); };
    threads_ += start_threads(kThreads - threads_, work, this);
  }
  return threads_ > 0;
}

void BackgroundQueue::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  Place& place = places_[serving_++];
  while (true) {
    work_.wait(lock, [this] { return lanes_ != nullptr && !stopped_; });
    BackgroundLane& lane = *lanes_;
    remove(lane);
    std::unique_ptr<BackgroundTask> task = lane.waiting_.pop();
    if (!lane.waiting_.empty()) append(lane);
    place = {task.get(), &lane};
    lock.unlock();
    task->run();
    lock.lock();
    place = {};
    lane.hand_back(std::move(task));
    ended_.notify_all();
  }
}

void BackgroundQueue::append(BackgroundLane& lane) noexcept {
  BackgroundLane** end = &lanes_;
  while (*end != nullptr) end = &(*end)->next_;
  *end = &lane;
}

void BackgroundQueue::remove(BackgroundLane& lane) noexcept {
  BackgroundLane** place = &lanes_;
  while (*place != nullptr && *place != &lane) place = &(*place)->next_;
  if (*place != nullptr) *place = std::exchange(lane.next_, nullptr);
}

void BackgroundQueue::end_running_of(std::unique_lock<std::mutex>& lock, const BackgroundLane* lane) noexcept {
  const auto is_of_lane = [lane](const Place& place) {
    return place.task != nullptr && (lane == nullptr || place.lane == lane);
  };
  for (const Place& place : places_) {
    if (is_of_lane(place)) place.task->cancel();
  }
  ended_.wait(lock, [&] { return std::none_of(std::begin(places_), std::end(places_), is_of_lane); });
}

void BackgroundQueue::stop() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  stopped_ = true;
  end_running_of(lock, nullptr);
}

void BackgroundLane::add(std::unique_ptr<BackgroundTask> task) noexcept {
  std::unique_lock<std::mutex> lock(queue_.mutex_);
  if (closed_) return;
  if (queue_.has_threads()) {
    if (waiting_.empty()) queue_.append(*this);
    waiting_.push(std::move(task));
    queue_.work_.notify_one();
    return;
  }
  lock.unlock();
  task->run();
  lock.lock();
  hand_back(std::move(task));
}

std::unique_ptr<BackgroundTask> BackgroundLane::take_ended() noexcept {
  const std::lock_guard<std::mutex> lock(queue_.mutex_);
  return ended_.pop();
}

void BackgroundLane::close() noexcept {
  std::unique_lock<std::mutex> lock(queue_.mutex_);
  if (std::exchange(closed_, true)) return;
  queue_.remove(*this);
  queue_.end_running_of(lock, this);
  lock.unlock();
  // From here on no other thread knows the lane.
  waiting_.clear();
  ended_.clear();
}

void BackgroundLane::hand_back(std::unique_ptr<BackgroundTask> task) noexcept {
  ended_.push(std::move(task));
  if (!closed_) notify_(owner_);
}

namespace {

// Memory that is never given back, and needs none to be had.
template <int kIndex>
BackgroundQueue& queue() {
  alignas(BackgroundQueue) static char memory[sizeof(BackgroundQueue)];
  static auto* const shared = new (memory) BackgroundQueue;
  return *shared;
}

} // namespace

BackgroundQueue& computing_queue() { return queue<0>(); }

BackgroundQueue& waiting_queue() { return queue<1>(); }

} // namespace fused_bear_loss
