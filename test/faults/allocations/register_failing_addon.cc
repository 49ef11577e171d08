// Tells Node where the addon begins whose memory can be told to run out: the addon's own exports, and the allocator.
#include "native/binding/addon.h"
#include "test/faults/allocations/allocator_object.h"

static Napi::Object initialize_failing_addon(Napi::Env env, Napi::Object exports) {
  fused_bear_loss::initialize_addon(env, exports);
  exports.Set("allocator", faults::allocator_object(env));
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialize_failing_addon)
