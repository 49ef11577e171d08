#include "test/emulator/simt/stream_order.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace simt {

OperationId running_operation = 0;

namespace {

struct Operation {
  StreamId stream;
  const char* what;
};

struct Operations {
  std::vector<Operation> known; // from `first` on
  OperationId first = 1;
  Clock* clock = nullptr; // of the running one's stream
  std::uint64_t running_enqueued = 0;
  std::uint64_t enqueued = 0;
  std::map<StreamId, std::uint64_t> forgotten; // `enqueued` then

  const Operation& at(OperationId id) const { return known[id - first]; }
};

Operations& operations() {
  static Operations all;
  return all;
}

bool is_ordered(OperationId earlier) {
  const Operations& all = operations();
  if (earlier < all.first || earlier == running_operation) return true;
  const StreamId stream = all.at(earlier).stream;
  const auto forgotten = all.forgotten.find(stream);
  if (forgotten != all.forgotten.end() && all.running_enqueued > forgotten->second) return true;
  const auto known = all.clock->find(stream);
  return known != all.clock->end() && known->second >= earlier;
}

} // namespace

void join(Clock& clock, const Clock& other) {
  for (const auto& [stream, operation] : other) {
    OperationId& known = clock[stream];
    known = std::max(known, operation);
  }
}

std::uint64_t next_enqueued() { return ++operations().enqueued; }

void begin_operation(StreamId stream, const char* what, Clock& clock, std::uint64_t enqueued) {
  Operations& all = operations();
  all.known.push_back({stream, what});
  running_operation = all.first + static_cast<OperationId>(all.known.size()) - 1;
  all.clock = &clock;
  all.running_enqueued = enqueued;
  clock[stream] = running_operation;
}

void end_operation() { running_operation = 0; }

void forget_operations() {
  Operations& all = operations();
  all.first += static_cast<OperationId>(all.known.size());
  all.known.clear();
  all.forgotten.clear();
}

void forget_stream(StreamId stream) { operations().forgotten.emplace(stream, operations().enqueued); }

void remove_forgotten(Clock& clock) {
  const auto& forgotten = operations().forgotten;
  for (auto each = clock.begin(); each != clock.end();) {
    each = forgotten.count(each->first) != 0 ? clock.erase(each) : std::next(each);
  }
}

OrderConflict check_order(OrderHistory& history, Access access) {
  const Operations& all = operations();
  const OperationId running = running_operation;
  OrderConflict conflict;
  if (running == 0) return conflict;
  const auto check = [&](OperationId other, bool writes) {
    if (!conflict.found && !is_ordered(other)) conflict = {true, all.at(other).what, all.at(other).stream, writes};
  };
  check(history.writer, true);
  if (access == Access::kRead) {
    // A reader that this one comes after need not be kept; of more than two that are unordered the third is forgotten.
    for (OperationId& reader : history.readers) {
      if (!is_ordered(reader)) continue;
      reader = running;
      break;
    }
    return conflict;
  }
  for (const OperationId reader : history.readers) check(reader, false);
  history.writer = running;
  std::fill(history.readers, history.readers + 2, 0);
  return conflict;
}

const char* operation_name() {
  const Operations& all = operations();
  return running_operation == 0 ? "nothing" : all.at(running_operation).what;
}

StreamId operation_stream() {
  const Operations& all = operations();
  return running_operation == 0 ? kHostStream : all.at(running_operation).stream;
}

} // namespace simt
