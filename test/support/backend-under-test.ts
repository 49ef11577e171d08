/** Which backend the contract runs against: named by FUSED_BEAR_LOSS_TEST_DEVICE, the CPU unless told otherwise. */
import { type BearLossOptions, type BearLossResult, capabilities, fusedBearLoss } from '../../lib/index';

export const deviceUnderTest = (process.env.FUSED_BEAR_LOSS_TEST_DEVICE ?? 'cpu') as NonNullable<
  BearLossOptions['device']
>;

/** Null where the device can be tested, else why not. */
export function whyUnavailable(): string | null {
  if (deviceUnderTest === 'cpu' || deviceUnderTest === 'auto') return null;
  const { cuda } = capabilities();
  return cuda.available ? null : (cuda.reason ?? 'CUDA is not available');
}

/** `fusedBearLoss` on the backend under test. */
export function computeLoss(
  logits: Parameters<typeof fusedBearLoss>[0],
  targets: Parameters<typeof fusedBearLoss>[1],
  options: BearLossOptions = {},
): BearLossResult {
  return fusedBearLoss(logits, targets, { device: deviceUnderTest, ...options });
}

/** A `describe` of the contract: names the backend, and fails where a backend asked for by name is not there. */
export function describeContract(subject: string, body: () => void): void {
  describe(`${subject} [${deviceUnderTest}]`, () => {
    beforeAll(() => {
      const reason = whyUnavailable();
      if (reason !== null) throw new Error(`the backend under test is not available: ${reason}`);
    });
    body();
  });
}
