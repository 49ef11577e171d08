// What the host cases have in common: they end the program with 1 at the first thing that is wrong.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace fused_bear_loss::mutation {

extern const char* current_case;

[[noreturn]] void fail(const char* what, double got = 0, double expected = 0);
void expect(bool holds, const char* what);
void expect_equal(double got, double expected, const char* what);

// Of the runtime: how often one function was called, and all of them. The `nth` call from now is to fail.
std::uint64_t calls_of(const char* name);
std::uint64_t calls();
void fail_call(const char* name, std::uint64_t nth, cudaError_t error);
void end_faults();

// Cases of pure functions and of what a device is asked once: plan_cases.cc.
void plans_of_launches();
void what_is_kept_of_plain_rows();
void kernels_that_suit_a_problem();
void what_a_device_grants();

} // namespace fused_bear_loss::mutation
