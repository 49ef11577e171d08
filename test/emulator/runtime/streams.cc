// Streams and events.
#include <chrono>
#include <deque>
#include <set>

#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"

struct CUevent_st {
  int device = 0;
  bool timing = true;
  cudaStream_t stream = nullptr; // where it was recorded last
  std::uint64_t recorded = 0;    // how often
  std::uint64_t completed = 0;   // the last recording that the stream has reached
  std::chrono::steady_clock::time_point time;
};

namespace {

struct Work {
  std::function<void()> run;
  cudaEvent_t awaited = nullptr; // instead of `run`: go on when the event's recording is reached
  std::uint64_t recording = 0;
};

} // namespace

struct CUstream_st {
  int device = 0;
  bool non_blocking = false;
  std::deque<Work> pending;
};

namespace simt {

namespace {

std::set<cudaStream_t>& streams() {
  static std::set<cudaStream_t> all;
  return all;
}
std::set<cudaEvent_t>& events() {
  static std::set<cudaEvent_t> all;
  return all;
}

void run_one(cudaStream_t stream) {
  Work work = std::move(stream->pending.front());
  stream->pending.pop_front();
  if (work.awaited == nullptr) {
    work.run();
    return;
  }
  // A destroyed event, or one that has been reached, holds nobody up.
  if (events().count(work.awaited) == 0) return;
  while (work.awaited->completed < work.recording && streams().count(work.awaited->stream) != 0 &&
         !work.awaited->stream->pending.empty()) {
    run_one(work.awaited->stream);
  }
}

// Lets time pass on the device.
void make_some_progress() {
  if (settings().seed == 0) return;
  for (cudaStream_t stream : streams()) {
    while (!stream->pending.empty() && runtime_random() % 4 == 0) run_one(stream);
  }
}

// The legacy default stream waits for every blocking stream of its device.
void drain_blocking_streams(int device) {
  for (cudaStream_t stream : streams()) {
    if (stream->device == device && !stream->non_blocking) drain_stream(stream);
  }
}

} // namespace

int stream_device(cudaStream_t stream) {
  if (stream == nullptr) return current_device();
  return streams().count(stream) != 0 ? stream->device : -1;
}

void drain_stream(cudaStream_t stream) {
  if (stream == nullptr) {
    drain_blocking_streams(current_device());
    return;
  }
  while (!stream->pending.empty()) run_one(stream);
}

void drain_device(int device) {
  for (cudaStream_t stream : streams()) {
    if (device < 0 || stream->device == device) drain_stream(stream);
  }
}

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (stream == nullptr) {
    drain_blocking_streams(current_device());
    work();
    return;
  }
  stream->pending.push_back({std::move(work), nullptr, 0});
  if (settings().seed == 0) {
    drain_stream(stream);
  } else {
    make_some_progress();
  }
}

void forget_streams() {
  for (cudaStream_t stream : streams()) delete stream;
  for (cudaEvent_t event : events()) delete event;
  streams().clear();
  events().clear();
  runtime().live.streams = runtime().live.events = 0;
}

} // namespace simt

using namespace simt; // NOLINT: the functions of the runtime have no namespace

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  SIMT_RUNTIME_CALL("cudaStreamCreateWithFlags");
  *stream = new CUstream_st;
  (*stream)->device = current_device();
  (*stream)->non_blocking = (flags & cudaStreamNonBlocking) != 0;
  streams().insert(*stream);
  ++runtime().live.streams;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaStreamDestroy");
  if (streams().count(stream) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  drain_stream(stream); // the runtime lets pending work complete
  streams().erase(stream);
  delete stream;
  --runtime().live.streams;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaStreamSynchronize");
  const int device = stream_device(stream);
  if (device < 0) return finish_call(cudaErrorInvalidResourceHandle);
  drain_stream(stream);
  return finish_call(runtime().devices[static_cast<std::size_t>(device)].sticky_error);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaStreamQuery");
  if (stream_device(stream) < 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (stream == nullptr) drain_stream(stream);
  if (stream == nullptr || stream->pending.empty()) return cudaSuccess;
  run_one(stream); // somebody who polls gets there
  return stream->pending.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  SIMT_RUNTIME_CALL("cudaStreamWaitEvent");
  if (stream_device(stream) < 0 || events().count(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (event->completed >= event->recorded) return cudaSuccess;
  if (stream == nullptr) {
    drain_stream(event->stream);
    return cudaSuccess;
  }
  stream->pending.push_back({nullptr, event, event->recorded});
  return cudaSuccess;
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  SIMT_RUNTIME_CALL("cudaStreamGetDevice");
  if (stream_device(stream) < 0) return finish_call(cudaErrorInvalidResourceHandle);
  *device = stream_device(stream);
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  SIMT_RUNTIME_CALL("cudaLaunchHostFunc");
  if (stream_device(stream) < 0) return finish_call(cudaErrorInvalidResourceHandle);
  enqueue(stream, [function, data] { function(data); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  SIMT_RUNTIME_CALL("cudaEventCreateWithFlags");
  *event = new CUevent_st;
  (*event)->device = current_device();
  (*event)->timing = (flags & cudaEventDisableTiming) == 0;
  events().insert(*event);
  ++runtime().live.events;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  SIMT_RUNTIME_CALL("cudaEventDestroy");
  if (events().count(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (event->completed < event->recorded && streams().count(event->stream) != 0) drain_stream(event->stream);
  events().erase(event);
  delete event;
  --runtime().live.events;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaEventRecord");
  const int device = stream_device(stream);
  if (device < 0 || events().count(event) == 0 || event->device != device) {
    return finish_call(cudaErrorInvalidResourceHandle);
  }
  event->stream = stream;
  const std::uint64_t recording = ++event->recorded;
  enqueue(stream, [event, recording] {
    if (events().count(event) == 0) return;
    event->completed = recording;
    event->time = std::chrono::steady_clock::now();
  });
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  SIMT_RUNTIME_CALL("cudaEventQuery");
  if (events().count(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (event->completed >= event->recorded) return cudaSuccess;
  run_one(event->stream); // somebody who polls gets there
  return event->completed >= event->recorded ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  SIMT_RUNTIME_CALL("cudaEventSynchronize");
  if (events().count(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  while (event->completed < event->recorded) run_one(event->stream);
  return finish_call(runtime().devices[static_cast<std::size_t>(event->device)].sticky_error);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  SIMT_RUNTIME_CALL("cudaEventElapsedTime");
  if (events().count(from) == 0 || events().count(to) == 0 || !from->timing || !to->timing || from->recorded == 0 ||
      to->recorded == 0) {
    return finish_call(cudaErrorInvalidResourceHandle);
  }
  if (from->completed < from->recorded || to->completed < to->recorded) return finish_call(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}
