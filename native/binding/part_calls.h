// The calls of one part of a vocabulary: what it hands over, and the gradient of its logits.
#pragma once

#include <napi.h>

namespace fused_bear_loss {

// (numbers, arrays, part: Float64Array, partials: (TypedArray | undefined)[]) => NativeOutcome; or undefined: done.
// Numbers and arrays are those of a call of the loss without outputs, whose vocabulary is the part.
Napi::Value partials_from_js(const Napi::CallbackInfo& info);

// (numbers, arrays, part: Float64Array, merged: (TypedArray | undefined)[], summary: Float64Array) => as computeLoss
Napi::Value part_gradient_from_js(const Napi::CallbackInfo& info);

} // namespace fused_bear_loss
