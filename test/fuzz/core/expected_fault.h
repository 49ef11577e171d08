// What find_fault() and find_constraint_fault() must find: the rules of validate_problem.h, row by row, the obvious
// way.
#pragma once

#include "native/core/validate_problem.h"
#include "test/fuzz/core/loss_case.h"

namespace fused_bear_loss::fuzz {

ProblemFault expected_fault(const LossCase& loss_case);
ProblemFault expected_constraint_fault(const RowsCase& rows);

} // namespace fused_bear_loss::fuzz
