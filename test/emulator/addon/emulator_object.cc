#include "test/emulator/addon/emulator_object.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "test/emulator/detectors/host_cases.h"
#include "test/emulator/detectors/planted_faults.h"
#include "test/emulator/runtime/runtime_state.h"
#include "test/emulator/runtime/stream_work.h"
#include "test/emulator/simt/memory_region.h"
#include "test/emulator/simt/reports.h"
#include "test/emulator/simt/settings.h"
#include "test/emulator/simt/shadow_memory.h"
#include "test/faults/allocations/failing_allocator.h"

namespace simt {

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

double number_or(const Napi::Object& object, const char* name, double otherwise) {
  const Napi::Value value = object.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : otherwise;
}

bool flag_or(const Napi::Object& object, const char* name, bool otherwise) {
  const Napi::Value value = object.Get(name);
  return value.IsBoolean() ? value.As<Napi::Boolean>().Value() : otherwise;
}

void* pointer_from(const Napi::Value& value) {
  bool lossless = false;
  return reinterpret_cast<void*>(value.As<Napi::BigInt>().Uint64Value(&lossless));
}

Napi::BigInt pointer_to_js(Napi::Env env, const void* pointer) {
  return Napi::BigInt::New(env, static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(pointer)));
}

Settings initial_settings() {
  Settings initial;
  if (const char* seed = std::getenv("FUSED_BEAR_LOSS_EMULATOR_SEED")) initial.seed = std::strtoull(seed, nullptr, 10);
  return initial;
}

void seed_streams() { runtime().random_state = (settings().seed * 0xD1342543DE82EF95u) | 1; }

// (changes: {seed?, preemptionPerMille?, detect?, countTraffic?, approximationUlps?, progressLimit?})
void configure(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const auto changes = info[0].As<Napi::Object>();
  Settings& s = settings();
  s.seed = static_cast<std::uint64_t>(number_or(changes, "seed", static_cast<double>(s.seed)));
  s.preemption_per_mille = static_cast<unsigned>(number_or(changes, "preemptionPerMille", s.preemption_per_mille));
  s.detect = flag_or(changes, "detect", s.detect);
  s.count_traffic = flag_or(changes, "countTraffic", s.count_traffic);
  s.approximation_ulps = static_cast<unsigned>(number_or(changes, "approximationUlps", s.approximation_ulps));
  s.progress_limit =
      static_cast<std::uint64_t>(number_or(changes, "progressLimit", static_cast<double>(s.progress_limit)));
  seed_streams();
}

// () => {kind, text}[], after running what is pending
Napi::Value reports_to_js(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  drain_device(-1);
  const std::vector<Report> kept = reports();
  Napi::Array array = Napi::Array::New(info.Env(), kept.size());
  for (std::uint32_t i = 0; i < kept.size(); ++i) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("kind", report_kind_name(kept[i].kind));
    entry.Set("text", kept[i].text);
    array.Set(i, entry);
  }
  return array;
}

// () => string[]
Napi::Value report_kinds_to_js(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (std::uint32_t i = 0; i <= static_cast<std::uint32_t>(ReportKind::kStreamRace); ++i) {
    names.Set(i, report_kind_name(static_cast<ReportKind>(i)));
  }
  return names;
}

// () => {name, kind}[]
Napi::Value planted_faults_to_js(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const PlantedFault& fault : planted_faults()) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", fault.name);
    entry.Set("kind", fault.kind);
    list.Set(list.Length(), entry);
  }
  return list;
}

// (name: string, faulty: boolean) => number
Napi::Value run_planted_fault_from_js(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const cudaError_t error =
      run_planted_fault(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Boolean>().Value());
  return Napi::Number::New(info.Env(), error);
}

// () => string[]
Napi::Value host_cases_to_js(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : host_case_names()) names.Set(names.Length(), name);
  return names;
}

// (name: string) => number
Napi::Value run_host_case_from_js(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  return Napi::Number::New(info.Env(), run_host_case(info[0].As<Napi::String>().Utf8Value()));
}

// (function: string, nth: number, error: number)
void fail_call(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  runtime().faults.push_back({info[0].As<Napi::String>().Utf8Value(),
                              static_cast<std::uint64_t>(info[1].As<Napi::Number>().Int64Value()),
                              static_cast<cudaError_t>(info[2].As<Napi::Number>().Int32Value())});
}

// (bytes: number)
void fail_host_allocation_from_js(const Napi::CallbackInfo& info) {
  faults::fail_bytes(static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value()));
}

// (state: 'working' | 'missing' | 'too-old', version?: number)
void set_driver(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const std::string state = info[0].As<Napi::String>().Utf8Value();
  runtime().driver = state == "missing"   ? DriverState::kMissing
                     : state == "too-old" ? DriverState::kTooOld
                                          : DriverState::kWorking;
  constexpr int kOld = 12080;
  runtime().driver_version = info[1].IsNumber()                         ? info[1].As<Napi::Number>().Int32Value()
                             : runtime().driver == DriverState::kTooOld ? kOld
                                                                        : CUDART_VERSION;
}

EmulatedDevice device_from(const Napi::Object& object) {
  EmulatedDevice device;
  if (object.Get("name").IsString()) device.name = object.Get("name").As<Napi::String>().Utf8Value();
  device.major = static_cast<int>(number_or(object, "major", device.major));
  device.minor = static_cast<int>(number_or(object, "minor", device.minor));
  device.multiprocessors = static_cast<int>(number_or(object, "multiprocessors", device.multiprocessors));
  const auto bytes = [&](const char* name, std::size_t otherwise) {
    return static_cast<std::size_t>(number_or(object, name, static_cast<double>(otherwise)));
  };
  device.total_bytes = bytes("totalBytes", device.total_bytes);
  device.shared_bytes_per_block_optin = bytes("sharedBytesPerBlock", device.shared_bytes_per_block_optin);
  device.shared_bytes_per_multiprocessor =
      bytes("sharedBytesPerMultiprocessor", device.shared_bytes_per_multiprocessor);
  device.refuses_large_shared = flag_or(object, "refusesLargeShared", device.refuses_large_shared);
  device.l2_bytes = static_cast<int>(number_or(object, "l2Bytes", device.l2_bytes));
  return device;
}

void reset_runtime(std::vector<DeviceState> devices) {
  RuntimeState& state = runtime();
  drain_device(-1);
  forget_streams();
  forget_memory();
  state.driver = DriverState::kWorking;
  state.driver_version = CUDART_VERSION;
  state.devices = std::move(devices);
  state.faults.clear();
  state.foreign_writes.clear();
  state.calls.clear();
  state.shared_limits.clear();
  clear_reports();
}

// (devices: EmulatedDevice[]): all memory, streams and events are gone.
void set_devices(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const auto list = info[0].As<Napi::Array>();
  std::vector<DeviceState> devices(list.Length());
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    devices[i].properties = device_from(list.Get(i).As<Napi::Object>());
  }
  reset_runtime(std::move(devices));
}

// (): ends injected faults and sticky errors, and forgets reports, call counts and traffic. Memory and streams stay.
void reset(const Napi::CallbackInfo&) {
  const Lock lock(runtime().mutex);
  RuntimeState& state = runtime();
  drain_device(-1);
  forget_order();
  state.driver = DriverState::kWorking;
  state.driver_version = CUDART_VERSION;
  state.faults.clear();
  state.foreign_writes.clear();
  state.calls.clear();
  faults::fail_bytes(0);
  for (DeviceState& device : state.devices) device.sticky_error = cudaSuccess;
  settings() = initial_settings();
  seed_streams();
  clear_reports();
  clear_traffic();
}

// () => {deviceAllocations, deviceBytes, pinnedAllocations, pinnedBytes, streams, events}
Napi::Value live_counts(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const LiveCounts& live = runtime().live;
  Napi::Object counts = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, std::size_t count) { counts.Set(name, static_cast<double>(count)); };
  set("deviceAllocations", live.device_allocations);
  set("deviceBytes", live.device_bytes);
  set("pinnedAllocations", live.pinned_allocations);
  set("pinnedBytes", live.pinned_bytes);
  set("streams", live.streams);
  set("events", live.events);
  return counts;
}

// () => {[function]: count}
Napi::Value calls_to_js(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  Napi::Object counts = Napi::Object::New(info.Env());
  for (const auto& call : runtime().calls) counts.Set(call.first, static_cast<double>(call.second));
  return counts;
}

// (pointer: bigint, bytes: number) => Traffic | undefined
Napi::Value traffic_to_js(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  Traffic traffic;
  const auto bytes = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value());
  if (!traffic_of(pointer_from(info[0]), bytes, traffic)) return info.Env().Undefined();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("bytesRead", static_cast<double>(traffic.bytes_read));
  result.Set("bytesWritten", static_cast<double>(traffic.bytes_written));
  result.Set("fewestReads", traffic.fewest_reads);
  result.Set("mostReads", traffic.most_reads);
  result.Set("fewestWrites", traffic.fewest_writes);
  result.Set("mostWrites", traffic.most_writes);
  return result;
}

void clear_traffic_from_js(const Napi::CallbackInfo&) {
  const Lock lock(runtime().mutex);
  clear_traffic();
}

// (bytes: number, device: number) => bigint: memory that another library would own.
Napi::Value allocate(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const int before = current_device();
  set_current_device(info[1].As<Napi::Number>().Int32Value());
  void* pointer = nullptr;
  const cudaError_t error = cudaMalloc(&pointer, static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value()));
  set_current_device(before);
  if (error != cudaSuccess) throw Napi::Error::New(info.Env(), cudaGetErrorString(error));
  return pointer_to_js(info.Env(), pointer);
}

void free_memory(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const cudaError_t error = cudaFree(pointer_from(info[0]));
  if (error != cudaSuccess) throw Napi::Error::New(info.Env(), cudaGetErrorString(error));
}

// () => bigint, on device 0, and (stream: bigint): streams that another library would own.
Napi::Value create_stream(const Napi::CallbackInfo& info) {
  cudaStream_t stream = nullptr;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) {
    throw Napi::Error::New(info.Env(), "no stream");
  }
  return pointer_to_js(info.Env(), stream);
}
void destroy_stream(const Napi::CallbackInfo& info) {
  if (cudaStreamDestroy(static_cast<cudaStream_t>(pointer_from(info[0]))) != cudaSuccess) {
    throw Napi::Error::New(info.Env(), "no such stream");
  }
}

// (pointer: bigint, bytes: Uint8Array), and back
void write_memory(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  host_waited_for_device(-1);
  const auto bytes = info[1].As<Napi::Uint8Array>();
  std::memcpy(pointer_from(info[0]), bytes.Data(), bytes.ByteLength());
  mark_global_written(pointer_from(info[0]), bytes.ByteLength());
}
// (nth: number, pointer: bigint, bytes: Uint8Array)
void write_before_kernel(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  const auto bytes = info[2].As<Napi::Uint8Array>();
  runtime().foreign_writes.push_back({static_cast<std::uint64_t>(info[0].As<Napi::Number>().Int64Value()),
                                      pointer_from(info[1]),
                                      {bytes.Data(), bytes.Data() + bytes.ByteLength()}});
}
void read_memory(const Napi::CallbackInfo& info) {
  const Lock lock(runtime().mutex);
  host_waited_for_device(-1);
  auto bytes = info[1].As<Napi::Uint8Array>();
  std::memcpy(bytes.Data(), pointer_from(info[0]), bytes.ByteLength());
}

} // namespace

Napi::Object emulator_object(Napi::Env env) {
  settings() = initial_settings();
  seed_streams();
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, auto function) { object.Set(name, Napi::Function::New(env, function, name)); };
  set("configure", configure);
  set("reports", reports_to_js);
  set(
      "clearReports", +[](const Napi::CallbackInfo&) { clear_reports(); });
  set("reportKinds", report_kinds_to_js);
  set("plantedFaults", planted_faults_to_js);
  set("runPlantedFault", run_planted_fault_from_js);
  set("hostCases", host_cases_to_js);
  set("runHostCase", run_host_case_from_js);
  set("failCall", fail_call);
  set("failHostAllocation", fail_host_allocation_from_js);
  set("setDriver", set_driver);
  set("setDevices", set_devices);
  set("reset", reset);
  set("liveCounts", live_counts);
  set("calls", calls_to_js);
  set("traffic", traffic_to_js);
  set("clearTraffic", clear_traffic_from_js);
  set("allocate", allocate);
  set("free", free_memory);
  set("createStream", create_stream);
  set("destroyStream", destroy_stream);
  set("write", write_memory);
  set("read", read_memory);
  set("writeBeforeKernel", write_before_kernel);
  return object;
}

} // namespace simt
