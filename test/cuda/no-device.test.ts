/** A machine without a driver, with one that is too old, or without a device: what every call says, and what still works. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { emulatedAddonFolder } from '../support/emulator';

/** In a process of its own, as the package asks for a device once. */
function outcomeWith(state: object) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(__dirname, 'programs', 'no-device.cjs'), JSON.stringify(state)],
    { encoding: 'utf8', env: { ...process.env, FUSED_BEAR_LOSS_PREBUILD: emulatedAddonFolder } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe.each([
  ['no driver', { driver: 'missing' }, 'ERR_BEAR_CUDA_UNAVAILABLE', /install one \(driver 580 or newer, for CUDA 13\)/],
  [
    'a driver for CUDA 12.8',
    { driver: 'too-old', version: 12080 },
    'ERR_BEAR_CUDA_DRIVER_TOO_OLD',
    /supports CUDA up to 12\.8, and this addon needs driver 580 or newer, for CUDA 13: update the driver/,
  ],
  [
    'a driver for CUDA 11.4',
    { driver: 'too-old', version: 11040 },
    'ERR_BEAR_CUDA_DRIVER_TOO_OLD',
    /supports CUDA up to 11\.4/,
  ],
  ['no device', { without: 'devices' }, 'ERR_BEAR_CUDA_NO_DEVICE', /CUDA_VISIBLE_DEVICES/],
])('%s', (_, state, code, says) => {
  const outcome = outcomeWith(state);

  it('the loss, tensors, streams and deviceMemory() say so and what to do', () => {
    const refusal = { name: 'RangeError', code, argument: 'device', message: expect.stringMatching(says) };
    expect(outcome.refused).toEqual([refusal, refusal, refusal, refusal]);
  });

  it('the loss writes nothing', () => {
    expect(outcome.buffers).toEqual([
      [1, 2, 3],
      [7, 7, 7],
    ]);
  });

  it('capabilities() says why', () => {
    expect(outcome.cuda).toEqual({ built: true, available: false, reason: expect.stringMatching(says), devices: [] });
  });

  it('the CPU computes as ever', () => {
    expect(outcome.onCpu).toBe(1);
  });
});
