// Streams and events.
#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"
#include "test/emulator/simt/stream_order.h"

namespace simt {

// One recording of an event, or a mark of the runtime's own. Lives as long as somebody waits for it.
struct Recording {
  cudaStream_t stream;
  bool reached = false;
  Clock clock; // of the stream when it was reached
  std::chrono::steady_clock::time_point time;
  std::vector<std::function<void()>> then;
};

namespace {

using RecordingPointer = std::shared_ptr<Recording>;

// In this order: waits, runs, tells.
struct Work {
  std::shared_ptr<const Clock> host; // what the host knew when it enqueued this
  RecordingPointer awaited;          // null: nothing
  std::function<void()> run;         // null: nothing
  const char* what = "";
  RecordingPointer reached; // null: nothing
  std::uint64_t enqueued = 0;
};

} // namespace

} // namespace simt

struct CUevent_st {
  int device = 0;
  bool timing = true;
  simt::RecordingPointer last; // null: never recorded
};

struct CUstream_st {
  int device = 0;
  bool non_blocking = false;
  simt::StreamId id = 0;
  std::deque<simt::Work> pending;
  simt::Clock clock;
};

namespace simt {

namespace {

struct Streams {
  std::vector<cudaStream_t> live;
  std::vector<cudaStream_t> ended; // destroyed, with work still pending, or that the host has not waited for
  std::map<int, cudaStream_t> by_default;
  std::set<cudaEvent_t> events;
  std::shared_ptr<const Clock> host = std::make_shared<const Clock>();
  Clock writing_host; // while the host uses memory itself
  StreamId last_id = kHostStream;
};

Streams& streams() {
  static Streams all;
  return all;
}

cudaStream_t new_stream(int device, bool non_blocking) {
  const auto stream = new CUstream_st;
  stream->device = device;
  stream->non_blocking = non_blocking;
  stream->id = ++streams().last_id;
  return stream;
}

// The stream itself, or the current device's legacy default stream.
cudaStream_t resolved(cudaStream_t stream) {
  if (stream != nullptr) return stream;
  cudaStream_t& by_default = streams().by_default[current_device()];
  if (by_default == nullptr) by_default = new_stream(current_device(), false);
  return by_default;
}

bool is_live(cudaStream_t stream) {
  const std::vector<cudaStream_t>& live = streams().live;
  return std::find(live.begin(), live.end(), stream) != live.end();
}

std::vector<cudaStream_t> all_streams() {
  std::vector<cudaStream_t> all = streams().live;
  all.insert(all.end(), streams().ended.begin(), streams().ended.end());
  for (const auto& each : streams().by_default) all.push_back(each.second);
  return all;
}

void host_knows(const Clock& clock) {
  Clock joined = *streams().host;
  join(joined, clock);
  // The clock may have those that are forgotten, from before. Kept here they would grow with each stream there ever
  // was.
  remove_forgotten(joined);
  streams().host = std::make_shared<const Clock>(std::move(joined));
}

void reach(Recording& recording, const Clock& clock) {
  recording.clock = clock;
  recording.time = std::chrono::steady_clock::now();
  recording.reached = true;
  for (const auto& each : recording.then) each();
  recording.then.clear();
}

void run_one(cudaStream_t stream) {
  const Work work = std::move(stream->pending.front());
  stream->pending.pop_front();
  if (work.host != nullptr) join(stream->clock, *work.host);
  if (work.awaited != nullptr) {
    while (!work.awaited->reached) run_one(work.awaited->stream);
    join(stream->clock, work.awaited->clock);
  }
  if (work.run != nullptr) {
    begin_operation(stream->id, work.what, stream->clock, work.enqueued);
    work.run();
    end_operation();
  }
  if (work.reached != nullptr) reach(*work.reached, stream->clock);
}

void drain(cudaStream_t stream) {
  while (!stream->pending.empty()) run_one(stream);
}

void forget_ended_streams() {
  Streams& all = streams();
  const auto is_over = [&all](cudaStream_t stream) {
    if (!stream->pending.empty()) return false;
    const auto last = stream->clock.find(stream->id);
    const auto known = all.host->find(stream->id);
    return last == stream->clock.end() || (known != all.host->end() && known->second >= last->second);
  };
  const auto first =
      std::stable_partition(all.ended.begin(), all.ended.end(), [&](cudaStream_t stream) { return !is_over(stream); });
  if (first == all.ended.end()) return;
  Clock host = *all.host;
  const std::vector<cudaStream_t> over(first, all.ended.end());
  all.ended.erase(first, all.ended.end());
  for (cudaStream_t stream : over) {
    forget_stream(stream->id);
    host.erase(stream->id);
    delete stream;
  }
  all.host = std::make_shared<const Clock>(std::move(host));
}

// Lets time pass on the device.
void make_some_progress() {
  if (settings().seed == 0) return;
  for (cudaStream_t stream : all_streams()) {
    while (!stream->pending.empty() && runtime_random() % 4 == 0) run_one(stream);
  }
  forget_ended_streams();
}

// All work that is on the stream by now.
RecordingPointer end_of(cudaStream_t stream) {
  auto recording = std::make_shared<Recording>();
  recording->stream = stream;
  if (stream->pending.empty()) {
    reach(*recording, stream->clock);
  } else {
    stream->pending.push_back({nullptr, nullptr, nullptr, "", recording, 0});
  }
  return recording;
}

// Blocking streams and the legacy default stream of a device wait for each other.
void wait_for_legacy_order(cudaStream_t stream) {
  if (stream->non_blocking) return;
  const auto wait = [stream](cudaStream_t other) {
    if (other != stream) stream->pending.push_back({nullptr, end_of(other), nullptr, "", nullptr, 0});
  };
  const auto by_default = streams().by_default.find(stream->device);
  if (by_default == streams().by_default.end()) return;
  if (by_default->second != stream) return wait(by_default->second);
  for (cudaStream_t other : all_streams()) {
    if (other->device == stream->device && !other->non_blocking) wait(other);
  }
}

void push(cudaStream_t stream, Work work) {
  if (stream->pending.empty()) remove_forgotten(stream->clock);
  wait_for_legacy_order(stream);
  work.host = streams().host;
  work.enqueued = next_enqueued();
  stream->pending.push_back(std::move(work));
  if (settings().seed == 0) {
    drain(stream);
  } else {
    make_some_progress();
  }
}

} // namespace

int stream_device(cudaStream_t stream) {
  if (stream == nullptr) return current_device();
  return is_live(stream) ? stream->device : -1;
}

void drain_stream(cudaStream_t stream) {
  stream = resolved(stream);
  wait_for_legacy_order(stream);
  drain(stream);
}

void host_waited_for(cudaStream_t stream) { host_knows(resolved(stream)->clock); }

void drain_device(int device) {
  for (cudaStream_t stream : all_streams()) {
    if (device < 0 || stream->device == device) drain(stream);
  }
}

void host_waited_for_device(int device) {
  drain_device(device);
  for (cudaStream_t stream : all_streams()) {
    if (device < 0 || stream->device == device) host_knows(stream->clock);
  }
  forget_ended_streams();
}

void enqueue(cudaStream_t stream, const char* what, std::function<void()> work) {
  push(resolved(stream), {nullptr, nullptr, std::move(work), what, nullptr, 0});
}

void record_host_access(const void* address, std::size_t bytes, Access access) {
  streams().writing_host = *streams().host;
  begin_operation(kHostStream, "access", streams().writing_host, next_enqueued());
  record_bulk_access(address, bytes, access);
  end_operation();
  streams().host = std::make_shared<const Clock>(streams().writing_host);
}

void restrict_global(void* base, std::size_t bytes, cudaEvent_t after) {
  const RuntimeLock lock;
  if (after == nullptr || after->last == nullptr || after->last->reached) return restrict_global(base, bytes);
  after->last->then.push_back([base, bytes] { restrict_global(base, bytes); });
}

void forget_order() {
  forget_operations();
  for (cudaStream_t stream : all_streams()) stream->clock.clear();
  streams().host = std::make_shared<const Clock>();
  forget_ended_streams();
}

void forget_streams() {
  for (cudaStream_t stream : all_streams()) delete stream;
  for (cudaEvent_t event : streams().events) delete event;
  const StreamId last_id = streams().last_id;
  streams() = Streams();
  streams().last_id = last_id;
  runtime().live.streams = runtime().live.events = 0;
}

} // namespace simt

using namespace simt; // NOLINT: the functions of the runtime have no namespace

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  SIMT_RUNTIME_CALL("cudaStreamCreateWithFlags");
  *stream = new_stream(current_device(), (flags & cudaStreamNonBlocking) != 0);
  streams().live.push_back(*stream);
  ++runtime().live.streams;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaStreamDestroy");
  if (!is_live(stream)) return finish_call(cudaErrorInvalidResourceHandle);
  // Returns at once; what is pending is done later.
  std::vector<cudaStream_t>& live = streams().live;
  live.erase(std::find(live.begin(), live.end(), stream));
  streams().ended.push_back(stream);
  forget_ended_streams(); // this one as well, where nothing is left to be told of it
  --runtime().live.streams;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaStreamSynchronize");
  const int device = stream_device(stream);
  if (device < 0) return finish_call(cudaErrorInvalidResourceHandle);
  drain_stream(stream);
  host_waited_for(stream);
  return finish_call(runtime().devices[static_cast<std::size_t>(device)].sticky_error);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaStreamQuery");
  if (stream_device(stream) < 0) return finish_call(cudaErrorInvalidResourceHandle);
  stream = resolved(stream);
  if (!stream->pending.empty()) run_one(stream); // somebody who polls gets there
  if (!stream->pending.empty()) return cudaErrorNotReady;
  host_waited_for(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  SIMT_RUNTIME_CALL("cudaStreamWaitEvent");
  if (stream_device(stream) < 0 || streams().events.count(event) == 0) {
    return finish_call(cudaErrorInvalidResourceHandle);
  }
  if (event->last != nullptr) push(resolved(stream), {nullptr, event->last, nullptr, "", nullptr, 0});
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
  enqueue(stream, "host function", [function, data] { function(data); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  SIMT_RUNTIME_CALL("cudaEventCreateWithFlags");
  *event = new CUevent_st;
  (*event)->device = current_device();
  (*event)->timing = (flags & cudaEventDisableTiming) == 0;
  streams().events.insert(*event);
  ++runtime().live.events;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  SIMT_RUNTIME_CALL("cudaEventDestroy");
  if (streams().events.erase(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  // Returns at once; what waits for a recording still does.
  delete event;
  --runtime().live.events;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  SIMT_RUNTIME_CALL("cudaEventRecord");
  const int device = stream_device(stream);
  if (device < 0 || streams().events.count(event) == 0 || event->device != device) {
    return finish_call(cudaErrorInvalidResourceHandle);
  }
  event->last = std::make_shared<Recording>();
  event->last->stream = resolved(stream);
  push(event->last->stream, {nullptr, nullptr, nullptr, "", event->last, 0});
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  SIMT_RUNTIME_CALL("cudaEventQuery");
  if (streams().events.count(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (event->last == nullptr) return cudaSuccess;
  if (!event->last->reached) run_one(event->last->stream); // somebody who polls gets there
  if (!event->last->reached) return cudaErrorNotReady;
  host_knows(event->last->clock);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  SIMT_RUNTIME_CALL("cudaEventSynchronize");
  if (streams().events.count(event) == 0) return finish_call(cudaErrorInvalidResourceHandle);
  if (event->last != nullptr) {
    while (!event->last->reached) run_one(event->last->stream);
    host_knows(event->last->clock);
  }
  return finish_call(runtime().devices[static_cast<std::size_t>(event->device)].sticky_error);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  SIMT_RUNTIME_CALL("cudaEventElapsedTime");
  const std::set<cudaEvent_t>& known = streams().events;
  if (known.count(from) == 0 || known.count(to) == 0 || !from->timing || !to->timing || from->last == nullptr ||
      to->last == nullptr) {
    return finish_call(cudaErrorInvalidResourceHandle);
  }
  if (!from->last->reached || !to->last->reached) return finish_call(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(to->last->time - from->last->time).count();
  return cudaSuccess;
}
