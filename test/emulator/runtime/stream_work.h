// Work that streams do later. Seed 0 runs it at once; any other seed leaves it pending and runs it at random moments,
// in the order that streams and events allow and no other, so that missing synchronisation shows.
#pragma once

#include <functional>

#include "test/emulator/runtime/runtime_api.h"

namespace simt {

// Called with the runtime's lock held, as everything here.
// Null, or a stream's device where the handle is valid; -1 where it is not.
int stream_device(cudaStream_t stream);

// Puts work on the stream, after what must come before it.
void enqueue(cudaStream_t stream, std::function<void()> work);
// Runs what is pending on the stream and what it waits for.
void drain_stream(cudaStream_t stream);

} // namespace simt
