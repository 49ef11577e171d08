// How a call ended, as the plain object that lib/native/binding.ts types as NativeOutcome.
#pragma once

#include <napi.h>

#include "native/core/backend.h"
#include "native/core/device_error.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss {

// {status: 'done', loss, countedRows, prunedRows, topRankedRows, nonFiniteRows}, or {status: 'aborted'} and the like.
Napi::Object outcome_of(Napi::Env env, ComputeStatus status, const LossSummary& summary);

// Undefined where the call is done and every row is finite: what else there is to say is `written` to a Float64Array,
// in the order of kSummaryFieldNames (call_fields.h). Else the outcome.
Napi::Value ending_of(Napi::Env env, ComputeStatus status, const LossSummary& summary, const Napi::Value& written);

// {status: 'invalid', fault, row, value}
Napi::Object invalid_outcome(Napi::Env env, const ProblemFault& fault);

// {status: 'overlap', input}
Napi::Object overlap_outcome(Napi::Env env, const char* input);

// {status: 'device-error', kind, message}
Napi::Object device_error_outcome(Napi::Env env, const DeviceError& error);

// {status}, for what needs no more words: 'detached'.
Napi::Object plain_outcome(Napi::Env env, const char* status);

} // namespace fused_bear_loss
