// Tells Node where the tests' addon begins: the addon's own exports, and the objects through which tests reach the
// emulator and the allocator.
#include "native/binding/addon.h"
#include "test/emulator/addon/emulator_object.h"
#include "test/faults/allocations/allocator_object.h"
#include "test/faults/allocations/failing_allocator.h"

static Napi::Object initialize_emulated_addon(Napi::Env env, Napi::Object exports) {
  fused_bear_loss::initialize_addon(env, exports);
  const faults::OwnMemory own_memory;
  exports.Set("emulator", simt::emulator_object(env));
  exports.Set("allocator", faults::allocator_object(env));
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialize_emulated_addon)
