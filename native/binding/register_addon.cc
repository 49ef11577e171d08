// Tells Node where the addon begins. The tests' emulated addon registers itself elsewhere, with one export more.
#include "native/binding/addon.h"

using fused_bear_loss::initialize_addon; // the macro makes a name of it

NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialize_addon)
