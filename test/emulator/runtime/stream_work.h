// Work that streams do later. Seed 0 runs it at once; any other seed leaves it pending and runs it at random moments,
// in the order that streams and events allow and no other, so that missing synchronisation shows.
#pragma once

#include <functional>

#include "test/emulator/runtime/runtime_api.h"
#include "test/emulator/simt/shadow_memory.h"

namespace simt {

// Called with the runtime's lock held, as everything here.
// Null, or a stream's device where the handle is valid; -1 where it is not.
int stream_device(cudaStream_t stream);

// Puts work on the stream, after what must come before it. `what` names it in reports.
void enqueue(cudaStream_t stream, const char* what, std::function<void()> work);
// Runs what is pending on the stream and what it waits for.
void drain_stream(cudaStream_t stream);
// The host has been told that what the stream has run is over; that of a device, after running it (-1: of all).
void host_waited_for(cudaStream_t stream);
void host_waited_for_device(int device);

// The host itself reads or writes these bytes now.
void record_host_access(const void* address, std::size_t bytes, Access access);

} // namespace simt
