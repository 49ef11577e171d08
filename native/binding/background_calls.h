// Calls that go on off JavaScript's thread and end on it.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>

#include "native/threads/background_queue.h"

namespace fused_bear_loss {

// Made, ended and destroyed on JavaScript's thread; run on another, where it must not touch anything of JavaScript's
// that JavaScript can move or free meanwhile.
class BackgroundCall : public BackgroundTask {
 public:
  explicit BackgroundCall(const Napi::Function& done) : done_(Napi::Persistent(done)) {}

  void run() noexcept final;

  // Calls `done` with what settle() makes of the result, or with the outcome that stands for what work() threw.
  void finish(Napi::Env env);

 protected:
  virtual void work() = 0;
  virtual Napi::Value settle(Napi::Env env) = 0;

 private:
  Napi::FunctionReference done_;
  std::exception_ptr failure_;
};

// Those of one JavaScript environment (the main thread or a worker). They keep its event loop alive. When it is taken
// down, what waits is dropped, and what runs is cancelled and waited for.
class BackgroundCalls {
 public:
  BackgroundCalls() = default;
  ~BackgroundCalls() { close(); }
  BackgroundCalls(const BackgroundCalls&) = delete;
  BackgroundCalls& operator=(const BackgroundCalls&) = delete;

  static BackgroundCalls& of(Napi::Env env) { return *env.GetInstanceData<BackgroundCalls>(); }

  // Two computations run at a time in the whole process, as each uses all of the kernel's threads by itself.
  void compute(Napi::Env env, std::unique_ptr<BackgroundCall> call) { add(env, computing_, std::move(call)); }
  // Two wait for a device at a time.
  void wait(Napi::Env env, std::unique_ptr<BackgroundCall> call) { add(env, waiting_, std::move(call)); }

 private:
  static void note_ended(void* self);

  void open(Napi::Env env);
  void close() noexcept;
  void add(Napi::Env env, BackgroundLane& lane, std::unique_ptr<BackgroundCall> call);
  void wake_up();
  void finish_one(Napi::Env env);

  // Both run finish_one() on JavaScript's thread, in turn. One that is called while it runs would run again at once, up
  // to a thousand times, before the event loop comes to anything else.
  napi_threadsafe_function wake_up_[2] = {};
  int turn_ = 0;
  std::atomic<std::int64_t> ended_{0}; // calls that have yet to be finished; whoever makes it 1 wakes JavaScript up
  std::int64_t unfinished_ = 0;        // calls that have not been finished, whether they have ended or not
  BackgroundLane computing_{computing_queue(), note_ended, this};
  BackgroundLane waiting_{waiting_queue(), note_ended, this};
};

} // namespace fused_bear_loss
