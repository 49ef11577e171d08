import { unwrap } from '../loss/device-errors.js';
import { native } from '../native/backend.js';
import { type CudaDeviceName, readDevice } from '../options/device-names.js';

/** Blocks are rounded up, so bytes may be more than was asked for. */
export interface MemoryUse {
  /** Held by tensors and by calls that run. */
  allocatedBytes: number;
  allocatedBlocks: number;
  /** Kept for later calls. */
  cachedBytes: number;
  cachedBlocks: number;
}

export interface DeviceMemory extends MemoryUse {
  /** Page-locked memory of the host, through which copies go. */
  pinned: MemoryUse;
  /** Gives the cached memory back to the system. Waits for the work that still uses it. */
  releaseCached(): void;
}

/**
 * Returns what this process holds of a device's memory.
 *
 * @param device default: `cuda`, the first device
 * @throws RangeError with a code of ERR_BEAR_CUDA_ if the device cannot be used
 *
 * @example
 * const { allocatedBytes, cachedBytes } = deviceMemory();
 */
export function deviceMemory(device: CudaDeviceName = 'cuda'): DeviceMemory {
  const index = readDevice(device);
  const counts = unwrap(native().device.memory(index), index);
  return {
    ...counts.device,
    pinned: { ...counts.pinned }, // the addon makes objects of another realm
    releaseCached: () => unwrap(native().device.releaseCached(index), index),
  };
}
