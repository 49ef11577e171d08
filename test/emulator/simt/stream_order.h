// Happens-before among operations: the kernels, copies and fills that streams run, and what the host reads and writes
// itself in page-locked memory.
//
// An operation comes after those before it on its stream, those that its stream or the host had waited for, and
// everything that the host had done when it enqueued it. The threads of the host count as one. Two operations that use
// the same bytes, one of them writing, must be ordered, whichever of them happened to run first.
#pragma once

#include <cstdint>
#include <map>

#include "test/emulator/simt/shadow_memory.h"

namespace simt {

using OperationId = std::uint32_t; // 0: none; later ones have larger numbers
using StreamId = std::uint32_t;
constexpr StreamId kHostStream = 0;

// By stream, the last operation that is known to be over.
using Clock = std::map<StreamId, OperationId>;
void join(Clock& clock, const Clock& other);

// The number of things that the host has enqueued, this one included.
std::uint64_t next_enqueued();

// Between these, accesses are those of one operation. `clock` is the stream's, and has to stay.
void begin_operation(StreamId stream, const char* what, Clock& clock, std::uint64_t enqueued);
void end_operation();

// Everything so far counts as over.
void forget_operations();
// The stream does nothing more, and the host knows that it is over: so does whatever is enqueued from now on, and
// clocks need not.
void forget_stream(StreamId stream);
// Takes streams out of a clock of which all that is enqueued from now on knows that they are over.
void remove_forgotten(Clock& clock);

// Who used some bytes last.
struct OrderHistory {
  OperationId writer = 0;
  OperationId readers[2] = {}; // of different streams, since the last write
};

struct OrderConflict {
  bool found = false;
  const char* other = nullptr; // what the other operation is
  StreamId other_stream = 0;
  bool other_writes = false;
};

// 0 outside of an operation.
extern OperationId running_operation;

// Whether the running operation has been here and nobody else since: then there is nothing to check.
inline bool is_known(const OrderHistory& history, Access access) {
  const OperationId running = running_operation;
  if (access == Access::kRead) {
    return history.writer == running || history.readers[0] == running || history.readers[1] == running;
  }
  return history.writer == running && history.readers[0] == 0 && history.readers[1] == 0;
}

// Checks the running operation's access and enters it. Outside of an operation it does nothing.
OrderConflict check_order(OrderHistory& history, Access access);

// For the report.
const char* operation_name();
StreamId operation_stream();

} // namespace simt
