// The linear form in the module, a chunk of rows at a time, so that the event loop may turn in between. JavaScript
// copies all arrays of the call into the memory of an instance that has this call alone.
#include <cstdlib>
#include <memory>

#include "native/core/call_fields.h"
#include "native/core/element_sums.h"
#include "native/cpu/linear_run.h"
#include "native/wasm/module_call.h"

namespace fused_bear_loss {
namespace {

struct LinearCall {
  LinearProblem problem;
  LinearOutputs outputs;
  std::vector<float> workspace;
  std::unique_ptr<LinearRun> run;
};

// In the order of kLinearNumberNames.
void read_linear_numbers(const double* numbers, LinearCall& call) {
  call.problem.hidden_size = static_cast<std::int64_t>(numbers[0]);
  call.problem.operand_dtype = static_cast<DType>(static_cast<std::int32_t>(numbers[1]));
  call.problem.accumulate = numbers[2] != 0;
  call.outputs.weight_is_zero = numbers[3] != 0;
  call.problem.workspace_floats = static_cast<std::int64_t>(numbers[4]) / std::int64_t{sizeof(float)};
}

void read_linear_arrays(void* const* pointers, LinearCall& call) {
  const auto array = [&](LinearArray name) { return pointers[static_cast<std::size_t>(name)]; };
  const auto floats = [&](LinearArray name) { return static_cast<float*>(array(name)); };
  call.problem.hidden = array(LinearArray::kHidden);
  call.problem.weight = array(LinearArray::kWeight);
  call.problem.bias = floats(LinearArray::kBias);
  call.problem.allowed_bias = floats(LinearArray::kAllowedBias);
  call.outputs.grad_hidden = array(LinearArray::kGradHidden);
  call.outputs.grad_weight = floats(LinearArray::kGradWeight);
  call.outputs.grad_bias = floats(LinearArray::kGradBias);
  call.outputs.grad_allowed_bias = floats(LinearArray::kGradAllowedBias);
  call.outputs.weight_tokens = static_cast<const std::int32_t*>(array(LinearArray::kWeightTokens));
}

} // namespace

// Numbers in the order of kTopTokensNumberNames; `product` is hiddenSize and workspaceBytes; arrays are hidden, weight,
// bias, allowed.bias, offsets, tokens and bitmask of the constraint, and the three outputs. Writes nothing where the
// report of find_fault says what is wrong.
FBL_EXPORT(linear_top_tokens)
void linear_top_tokens(const double* numbers, const double* product, void* const* arrays, double entries,
                       double* report) {
  LinearProblem problem;
  static_cast<LogitRows&>(problem) = read_top_tokens_rows(numbers);
  problem.operand_dtype = problem.dtype;
  problem.hidden_size = static_cast<std::int64_t>(product[0]);
  problem.hidden = arrays[0];
  problem.weight = arrays[1];
  problem.bias = static_cast<const float*>(arrays[2]);
  problem.allowed_bias = static_cast<const float*>(arrays[3]);
  problem.allowed_offsets = static_cast<const std::int32_t*>(arrays[4]);
  problem.allowed_tokens = static_cast<const std::int32_t*>(arrays[5]);
  problem.allowed_bitmask = static_cast<const std::uint32_t*>(arrays[6]);
  const ProblemFault fault = find_constraint_fault(problem, static_cast<std::int64_t>(entries));
  write_fault(fault, report);
  if (fault.error != ProblemError::kNone) return;
  const std::vector<std::int32_t> targets(static_cast<std::size_t>(problem.rows));
  problem.targets = targets.data();
  problem.ignore_index = -1; // of rows none is ignored
  problem.workspace_floats =
      linear_workspace_floats(problem, static_cast<std::int64_t>(product[1]) / std::int64_t{sizeof(float)});
  std::vector<float> workspace(static_cast<std::size_t>(problem.workspace_floats + kLineFloats));
  problem.workspace = line_start(workspace);
  compute_linear_top_tokens(
      problem, {static_cast<std::int32_t*>(arrays[7]), static_cast<float*>(arrays[8]), static_cast<float*>(arrays[9])});
}

// Adds elements to those of `sums`: float32, or bfloat16 where `is_half`.
FBL_EXPORT(add_elements)
void add_elements(std::int32_t is_half, const void* elements, std::int32_t count, void* sums) {
  is_half != 0 ? add_elements_to<BFloat16>(elements, count, sums) : add_elements_to<float>(elements, count, sums);
}

// Null where it cannot be had.
FBL_EXPORT(allocate) void* allocate(double bytes) {
  return bytes < 4294967295.0 ? std::malloc(static_cast<std::size_t>(bytes)) : nullptr;
}

// A call whose lists have so many entries and whose weight's gradient has so many rows. Null where the report of
// find_fault says what is wrong.
FBL_EXPORT(linear_begin)
LinearCall* linear_begin(const double* numbers, void* const* arrays, const double* linear_numbers,
                         void* const* linear_arrays, double entries, double weight_rows, double* report) {
  auto call = std::make_unique<LinearCall>();
  LinearProblem& problem = call->problem;
  static_cast<LossProblem&>(problem) = read_problem(numbers, arrays);
  const ProblemFault fault = find_fault(problem, static_cast<std::int64_t>(entries));
  write_fault(fault, report);
  if (fault.error != ProblemError::kNone) return nullptr;
  read_linear_numbers(linear_numbers, *call);
  read_linear_arrays(linear_arrays, *call);
  call->outputs.rows = read_outputs(arrays);
  call->outputs.weight_rows = static_cast<std::int64_t>(weight_rows);
  call->outputs.weight_is_sparse = call->outputs.weight_tokens != nullptr;
  problem.gradient = call->outputs.has_gradient() ? GradientMode::kInPlace : GradientMode::kNone;
  problem.workspace_floats = linear_workspace_floats(problem, problem.workspace_floats);
  call->workspace.resize(static_cast<std::size_t>(problem.workspace_floats + kLineFloats));
  problem.workspace = line_start(call->workspace);
  call->run = std::make_unique<LinearRun>(problem, call->outputs, nullptr);
  return call.release();
}

// Computes the next chunk; returns 1 when all are done.
FBL_EXPORT(linear_step) std::int32_t linear_step(LinearCall* call) {
  call->run->step();
  return call->run->is_done() ? 1 : 0;
}

// Writes the summary, in the order of kSummaryFieldNames, and which rows are not finite; returns how many.
FBL_EXPORT(linear_end) std::int32_t linear_end(LinearCall* call, double* summary, std::int32_t* non_finite_rows) {
  const LossSummary found = call->run->take_summary();
  delete call;
  summary[0] = found.loss;
  summary[1] = static_cast<double>(found.counted_rows);
  summary[2] = static_cast<double>(found.pruned_rows);
  summary[3] = static_cast<double>(found.top_ranked_rows);
  std::int32_t count = 0;
  for (const std::int64_t row : found.non_finite_rows) non_finite_rows[count++] = static_cast<std::int32_t>(row);
  return count;
}

} // namespace fused_bear_loss
