// What the program can do, one function a step. Each prints records.
#pragma once

#include <string>
#include <vector>

namespace fused_bear_loss::device_check {

using Arguments = std::vector<std::string>;

// The device and its limits.
bool report_limits(const Arguments& arguments);

// The small cases of the mutation run: [float32|float16|bfloat16]... [--every N] [--seconds S] [--no-poison]. After so
// many seconds the rest is not reached.
bool check_small_cases(const Arguments& arguments);

// Shapes (dtype,rows,vocabulary) against float64: every variant of large_shapes.cc, two runs and two chunkings equal
// bit for bit.
bool check_large_shapes(const Arguments& arguments);

// --bytes N --samples N: what a copy on the device and a sum over memory reach.
bool measure_ceilings(const Arguments& arguments);

// --samples N --loss name,penalty,lambda,beamWidth,pruningStatistics... shapes...: each loss and pass, its three
// kernels apart.
bool measure_times(const Arguments& arguments);

// Each (dtype,rows,vocabulary,pass) once, for a profiler to look at.
bool run_for_profiler(const Arguments& arguments);

} // namespace fused_bear_loss::device_check
