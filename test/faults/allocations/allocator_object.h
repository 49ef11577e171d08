// The failing allocator as JavaScript reaches it.
#pragma once

#include <napi.h>

namespace faults {

// {arm(nth: number, allFrom: boolean), disarm() => number of failed allocations, counted() => number since arm(),
//  live() => number}
Napi::Object allocator_object(Napi::Env env);

} // namespace faults
