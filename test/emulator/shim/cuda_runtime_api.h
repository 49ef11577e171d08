// What the emulated build includes in place of the toolkit's <cuda_runtime_api.h>.
#pragma once

#include "test/emulator/runtime/runtime_api.h"
