// The checks of validate_problem.h for one row, by a warp. What find_fault() finds first in a call is the fault of its
// first faulty row.
#pragma once

#include "native/cuda/device_problem.h"
#include "native/cuda/kernels/device_access.h"

namespace fused_bear_loss::cuda {

FBL_DEVICE ProblemFault fault_of(ProblemError error, std::int64_t row, std::int64_t value) {
  ProblemFault fault;
  fault.error = error;
  fault.row = row;
  fault.value = value;
  return fault;
}

FBL_DEVICE int min_of_warp(int value) {
#pragma unroll 1
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = min(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// What a row's checks are about, read once: whoever writes the caller's memory meanwhile changes the verdict at most.
struct ReadRow {
  std::int32_t target;
  std::int32_t begin; // of its list
  std::int32_t end;
};

// All lanes call, and get the same.
FBL_DEVICE ReadRow read_row(const LossProblem& problem, std::int64_t row) {
  ReadRow read = {};
  if (lane_index() == 0) {
    read.target = problem.targets[row];
    if (problem.allowed_offsets != nullptr) {
      read.begin = problem.allowed_offsets[row];
      read.end = problem.allowed_offsets[row + 1];
    }
  }
  read.target = __shfl_sync(kAllLanes, read.target, 0);
  read.begin = __shfl_sync(kAllLanes, read.begin, 0);
  read.end = __shfl_sync(kAllLanes, read.end, 0);
  return read;
}

// Whatever the other rows' offsets are, a row without this fault lies inside allowed_tokens.
FBL_DEVICE ProblemFault find_offset_fault(const DeviceProblem& call, std::int64_t row, const ReadRow& read) {
  const std::int64_t begin = read.begin;
  const std::int64_t end = read.end;
  if (row == 0 && begin != 0) return fault_of(ProblemError::kAllowedOffsetsRange, row, begin);
  // After a fault in an earlier row.
  if (begin < 0 || begin > call.allowed_token_count) return fault_of(ProblemError::kAllowedOffsetsRange, row, begin);
  if (end < begin) return fault_of(ProblemError::kAllowedOffsetsNotAscending, row, end);
  const bool last = row == call.problem.rows - 1;
  if (end > call.allowed_token_count || (last && end != call.allowed_token_count)) {
    return fault_of(ProblemError::kAllowedOffsetsRange, row, end);
  }
  return {};
}

FBL_DEVICE ProblemFault find_list_fault(const DeviceProblem& call, std::int64_t row, const ReadRow& read) {
  const LossProblem& problem = call.problem;
  const std::int32_t* const tokens = problem.allowed_tokens + read.begin;
  const std::int32_t count = read.end - read.begin;
  const std::int32_t target = read.target;
  int first_fault = count;
  int target_places = 0;
#pragma unroll 1
  for (int i = lane_index(); i < count; i += kWarpSize) {
    const std::int32_t token = tokens[i];
    const bool sound = token >= 0 && token < problem.vocab_size && (i == 0 || token > tokens[i - 1]);
    if (!sound) first_fault = min(first_fault, i);
    if (token == target) ++target_places;
  }
  first_fault = min_of_warp(first_fault);
  const bool has_target = __any_sync(kAllLanes, target_places > 0) != 0;
  if (first_fault < count) {
    const std::int32_t token = tokens[first_fault];
    const bool outside = token < 0 || token >= problem.vocab_size;
    return fault_of(outside ? ProblemError::kAllowedTokenOutOfRange : ProblemError::kAllowedTokensNotAscending, row,
                    token);
  }
  if (target == problem.ignore_index || has_target) return {};
  return fault_of(count == 0 ? ProblemError::kAllowedRowEmpty : ProblemError::kTargetNotAllowed, row, target);
}

FBL_DEVICE ProblemFault find_bitmask_fault(const DeviceProblem& call, std::int64_t row, std::int32_t target) {
  const LossProblem& problem = call.problem;
  const std::int64_t count = bitmask_words(problem.vocab_size);
  const std::uint32_t* const words = problem.allowed_bitmask + row * count;
  const bool allowed = target == problem.ignore_index || (words[target >> 5] >> (target & 31) & 1u) != 0;
  if (allowed) return {};
  bool any = false;
#pragma unroll 1
  for (std::int64_t i = lane_index(); i < count; i += kWarpSize) {
    // Bits past the vocabulary mean nothing.
    const int used = static_cast<int>(min(static_cast<long>(problem.vocab_size - i * 32), 32L));
    any |= words[i] << (32 - used) != 0;
  }
  const bool empty = __any_sync(kAllLanes, any) == 0;
  return fault_of(empty ? ProblemError::kAllowedRowEmpty : ProblemError::kTargetNotAllowed, row, target);
}

FBL_DEVICE bool has_target_fault(const LossProblem& problem, std::int32_t target) {
  return target != problem.ignore_index && (target < 0 || target >= problem.vocab_size);
}

// All lanes call, and get the same.
FBL_DEVICE ProblemFault find_row_fault(const DeviceProblem& call, std::int64_t row, const ReadRow& read) {
  const LossProblem& problem = call.problem;
  ProblemFault fault;
  if (problem.allowed_offsets != nullptr) fault = find_offset_fault(call, row, read);
  if (fault.error != ProblemError::kNone) return fault;
  const std::int32_t target = read.target;
  if (has_target_fault(problem, target)) {
    return fault_of(ProblemError::kTargetOutOfRange, row, target);
  }
  if (problem.allowed_offsets != nullptr) fault = find_list_fault(call, row, read);
  if (fault.error != ProblemError::kNone) return fault;
  if (problem.allowed_bitmask != nullptr) fault = find_bitmask_fault(call, row, target);
  return fault;
}

} // namespace fused_bear_loss::cuda
