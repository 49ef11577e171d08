// What the emulated build includes in place of the toolkit's <cuda_runtime.h>.
#pragma once

#include "test/emulator/runtime/runtime_api.h"
#include "test/emulator/simt/device_functions.h"
