// Some rows of a call on the CPU, for those that take a call apart.
#pragma once

#include <atomic>

#include "native/core/backend.h"
#include "native/cpu/row_processor.h"

namespace fused_bear_loss {

// Sweeps all rows of a problem and writes their gradients, where it has any, with the divisor of the call to which they
// belong. `rows` has room for each. Throws std::bad_alloc, before anything is written.
ComputeStatus compute_some_rows(const LossProblem& problem, const LossOutputs& outputs, double divisor,
                                RowSummary* rows, const std::atomic<std::int32_t>* abort);

} // namespace fused_bear_loss
