// Loss calls off the main thread.
#pragma once

#include <napi.h>

#include <atomic>
#include <deque>
#include <memory>

#include "native/binding/loss_call.h"
#include "native/binding/loss_job.h"

namespace fused_bear_loss {

// A job, with what JavaScript lent it. Made and destroyed on JavaScript's thread.
struct AsyncLoss {
  AsyncLoss(std::unique_ptr<LossJob> work, const Napi::Array& call_arrays, const LossCall& call,
            const Napi::Value& abort_flag, const Napi::Function& done);

  std::unique_ptr<LossJob> job;
  Napi::ObjectReference arrays; // of the call, whose output views are looked at again when the job is done
  LossProblem problem;          // the caller's sizes and modes; its pointers are not followed any more
  std::int64_t grad_row_stride;
  std::size_t gradient_length;
  Napi::ObjectReference flag; // keeps the memory behind `abort`
  const std::atomic<std::int32_t>* abort;
  Napi::FunctionReference done;
};

// The asynchronous calls of one JavaScript environment (the main thread or a worker). Every call uses all of the
// kernel's threads by itself, so a few at a time are enough; the others wait here, and libuv's threads stay free for
// others.
class AsyncLossQueue {
 public:
  void add(Napi::Env env, std::unique_ptr<AsyncLoss> loss);

 private:
  class Worker;

  void start_next(Napi::Env env);

  int running_ = 0;
  std::deque<std::unique_ptr<AsyncLoss>> waiting_;
};

} // namespace fused_bear_loss
