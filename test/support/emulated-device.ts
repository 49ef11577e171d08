/** What every test on the emulated device begins and ends with. */
import { deviceMemory } from '../../lib/index';
import { type Emulator, emulator } from './emulator';

/**
 * Before each test a device without faults; after it, nothing that the detectors found, no memory that the test did not
 * give back, and no stream or event but those that the package keeps.
 */
export function useEmulatedDevice(): Emulator {
  const device = emulator();
  beforeEach(() => {
    device.reset();
  });
  afterEach(() => {
    const reports = device.reports();
    device.reset();
    expect(reports).toEqual([]);
  });
  return device;
}

/** Blocks that tensors and running calls hold, on the device and page-locked. */
export function heldBlocks(device: 'cuda:0' | 'cuda:1' = 'cuda:0'): [number, number] {
  const memory = deviceMemory(device);
  return [memory.allocatedBlocks, memory.pinned.allocatedBlocks];
}

/** Fewer may be held than before: the garbage collector takes what earlier tests dropped whenever it likes. */
export function expectNoMoreHeld(before: [number, number], device: 'cuda:0' | 'cuda:1' = 'cuda:0'): void {
  const now = heldBlocks(device);
  expect(now[0]).toBeLessThanOrEqual(before[0]);
  expect(now[1]).toBeLessThanOrEqual(before[1]);
}
