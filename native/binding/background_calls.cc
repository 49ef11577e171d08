#include "native/binding/background_calls.h"

#include <utility>

#include "native/binding/exported_function.h"

namespace fused_bear_loss {
namespace {

void check(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

} // namespace

void BackgroundCall::run() noexcept {
  try {
    work();
  } catch (...) {
    failure_ = std::current_exception();
  }
}

// Throws where JavaScript cannot run any more, because its worker is being terminated.
void BackgroundCall::finish(Napi::Env env) {
  const Napi::Value outcome = value_or_outcome(env, [&] {
    if (failure_) std::rethrow_exception(failure_);
    return settle(env);
  });
  done_.Call({outcome});
}

// At the first call, so that a program without any has no handle in its event loop.
void BackgroundCalls::open(Napi::Env env) {
  const auto finish = [](napi_env raw_env, napi_value /*function*/, void* self, void* /*data*/) {
    if (raw_env == nullptr) return; // the environment is gone, and so is what waited
    try {
      static_cast<BackgroundCalls*>(self)->finish_one(raw_env);
    } catch (const Napi::Error& error) {
      error.ThrowAsJavaScriptException();
    }
  };
  constexpr std::size_t kUnlimited = 0;
  const Napi::String name = Napi::String::New(env, "fused-bear-loss");
  for (napi_threadsafe_function& function : wake_up_) {
    check(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, kUnlimited, 1, nullptr, nullptr, this,
                                               finish, &function));
    check(env, napi_unref_threadsafe_function(env, function));
  }
  // Hooks run in the reverse order: this one before the environment takes the functions away.
  check(env, napi_add_env_cleanup_hook(
                 env, [](void* self) { static_cast<BackgroundCalls*>(self)->close(); }, this));
}

void BackgroundCalls::close() noexcept {
  computing_.close();
  waiting_.close();
}

void BackgroundCalls::add(Napi::Env env, BackgroundLane& lane, std::unique_ptr<BackgroundCall> call) {
  if (wake_up_[0] == nullptr) open(env);
  if (unfinished_ == 0) check(env, napi_ref_threadsafe_function(env, wake_up_[0]));
  ++unfinished_;
  lane.add(std::move(call));
}

// On any thread, and not after close(): the functions are there as long.
void BackgroundCalls::note_ended(void* self) {
  auto* const calls = static_cast<BackgroundCalls*>(self);
  if (calls->ended_.fetch_add(1, std::memory_order_acq_rel) == 0) calls->wake_up();
}

void BackgroundCalls::wake_up() {
  turn_ ^= 1;
  napi_call_threadsafe_function(wake_up_[turn_], nullptr, napi_tsfn_nonblocking);
}

// One at a time: what its promise sets off runs before the next.
void BackgroundCalls::finish_one(Napi::Env env) {
  const Napi::HandleScope scope(env);
  std::unique_ptr<BackgroundTask> task = turn_ == 0 ? computing_.take_ended() : waiting_.take_ended();
  if (task == nullptr) task = turn_ == 0 ? waiting_.take_ended() : computing_.take_ended();
  if (--unfinished_ == 0) check(env, napi_unref_threadsafe_function(env, wake_up_[0]));
  if (ended_.fetch_sub(1, std::memory_order_acq_rel) > 1) wake_up();
  if (task != nullptr) static_cast<BackgroundCall&>(*task).finish(env);
}

} // namespace fused_bear_loss
