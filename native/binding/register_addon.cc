// Tells Node where the addon begins. The tests' emulated addon registers itself elsewhere, with one export more.
#include "native/binding/addon.h"

NODE_API_MODULE(NODE_GYP_MODULE_NAME, fused_bear_loss::initialize_addon)
