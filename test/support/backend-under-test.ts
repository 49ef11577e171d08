/**
 * Which backend the contract runs against: named by FUSED_BEAR_LOSS_TEST_DEVICE, the CPU unless told otherwise.
 * `cuda-emulated` is the device of the tests' addon, and `wasm` the WebAssembly module: the jest projects of those names
 * load them.
 */
import { type BearLossOptions, type BearLossResult, capabilities, fusedBearLoss } from '../../lib/index';
import { emulator } from './emulator';

type DeviceUnderTest = NonNullable<BearLossOptions['device']> | 'cuda-emulated' | 'wasm';

export const deviceUnderTest = (process.env.FUSED_BEAR_LOSS_TEST_DEVICE ?? 'cpu') as DeviceUnderTest;
export const isEmulated = deviceUnderTest === 'cuda-emulated';
export const isWasm = deviceUnderTest === 'wasm';

/** The same as an option. */
export const device: NonNullable<BearLossOptions['device']> =
  deviceUnderTest === 'cuda-emulated' ? 'cuda' : deviceUnderTest === 'wasm' ? 'cpu' : deviceUnderTest;

/** Cases of a test that draws many: an emulated device takes far longer than the CPU. */
export function runs(count: number): number {
  return isEmulated ? Math.ceil(count / 2) : count;
}

/** Null where the device can be tested, else why not. */
function whyUnavailable(): string | null {
  if (isWasm && capabilities().backend !== 'wasm') return 'the module was not chosen';
  if (device === 'cpu' || device === 'auto') return null;
  const { cuda } = capabilities();
  return cuda.available ? null : (cuda.reason ?? 'CUDA is not available');
}

/** `fusedBearLoss` on the backend under test. */
export function computeLoss(
  logits: Parameters<typeof fusedBearLoss>[0],
  targets: Parameters<typeof fusedBearLoss>[1],
  options: BearLossOptions = {},
): BearLossResult {
  return fusedBearLoss(logits, targets, { device, ...options });
}

/** A `describe` of the contract: names the backend, and fails where a backend asked for by name is not there. */
export function describeContract(subject: string, body: () => void): void {
  describe(`${subject} [${deviceUnderTest}]`, () => {
    beforeAll(() => {
      const reason = whyUnavailable();
      if (reason !== null) throw new Error(`the backend under test is not available: ${reason}`);
    });
    if (isEmulated) afterEach(expectNoReports);
    body();
  });
}

function expectNoReports(): void {
  const reports = emulator().reports();
  emulator().clearReports();
  expect(reports).toEqual([]);
}
