/** What the tests of devices begin and end with: on the emulated device, or on a card where they need none of its controls. */
import { deviceMemory } from '../../lib/cuda/index';
import { capabilities } from '../../lib/index';
import { isEmulated } from './backend-under-test';
import { type Emulator, type EmulatorSettings, emulator } from './emulator';

/** A device that tests compute on, whichever it is. */
export interface TestDevice {
  /** Nothing on a card: what the emulator is told to vary, a card varies as it likes. */
  configure(settings: EmulatorSettings): void;
  /** `it`, for tests that need a second device. */
  itWithTwo: jest.It;
}

/** What only the emulator can do: make calls fail, take devices away, count. On a card these tests are skipped. */
export interface EmulatedTests {
  emulator: Emulator;
  it: jest.It;
  describe: jest.Describe;
}

/**
 * For tests that a card can run as well. Emulated: before each test a device without faults; after it, nothing that the
 * detectors found.
 */
export function useDevice(): TestDevice {
  if (isEmulated) return { configure: startCleanly().configure, itWithTwo: it };
  const { devices } = capabilities().cuda;
  return { configure: () => {}, itWithTwo: devices.length > 1 ? it : skipping(it, 'needs two devices') };
}

/** For tests that need the emulator's controls. `why` says what for, in the name of the skipped tests. */
export function useEmulator(why: string): EmulatedTests {
  if (isEmulated) return { emulator: startCleanly(), it, describe };
  const reason = `needs the emulated device: ${why}`;
  return { emulator: {} as Emulator, it: skipping(it, reason), describe: skippingAll(reason) };
}

let isClean = false;

/** Once a file, whoever asks. */
function startCleanly(): Emulator {
  const device = emulator();
  if (isClean) return device;
  isClean = true;
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

type Declare = (name: string, ...rest: unknown[]) => void;

/** `it`, but what it declares is skipped and says why. */
function skipping({ skip }: jest.It, why: string): jest.It {
  const named =
    (declare: Declare): Declare =>
    (name, ...rest) =>
      declare(`${name} [${why}]`, ...rest);
  const each = (...table: Parameters<typeof skip.each>) => named(skip.each(...table) as Declare);
  return Object.assign(named(skip as Declare), { each, skip }) as unknown as jest.It;
}

/** `describe`, but in place of its tests there is one that is skipped and says why. Its body may need the emulator. */
function skippingAll(why: string): jest.Describe {
  const all = () => it.skip(`all of it [${why}]`, () => {});
  const each =
    (...table: Parameters<jest.Describe['each']>) =>
    (name: string) =>
      describe.each(...table)(name, all);
  return Object.assign((name: string) => describe(name, all), {
    each,
    skip: describe.skip,
  }) as unknown as jest.Describe;
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
