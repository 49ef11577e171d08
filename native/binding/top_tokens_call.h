// topTokens as JavaScript calls it. TypeScript has checked what a user can get wrong; here lengths, overlaps and the
// constraint's values are checked, so that no mistake up there can become a read or write out of bounds.
#pragma once

#include <napi.h>

namespace fused_bear_loss {

// (numbers: Float64Array (kTopTokensNumberNames), logits, allowedOffsets, allowedTokens, allowedBitmask,
//  tokens: Int32Array, logProbabilities: Float32Array, logSumExp: Float32Array) => NativeOutcome; or undefined: it is
//  done
Napi::Value top_tokens_from_js(const Napi::CallbackInfo& info);

// The same of the linear form: [hidden, weight, bias, allowed.bias] in place of logits, and in the end a Float64Array
// [hiddenSize, workspaceBytes].
Napi::Value linear_top_tokens_from_js(const Napi::CallbackInfo& info);

} // namespace fused_bear_loss
