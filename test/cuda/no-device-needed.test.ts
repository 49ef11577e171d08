/** Nothing of CUDA runs before a call that needs a device: loading must not cost a context, nor fail where none can be had. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { useEmulator } from '../support/emulated-device';
import { emulatedAddonFolder } from '../support/emulator';

const { it } = useEmulator('counts calls of the runtime');

it('loading the package, and the loss of host arrays by default, ask nothing of the CUDA runtime', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(__dirname, 'programs', 'no-device-needed.cjs')],
    {
      encoding: 'utf8',
      env: { ...process.env, FUSED_BEAR_LOSS_PREBUILD: emulatedAddonFolder },
    },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { calls, afterATensor } = JSON.parse(stdout);
  expect(calls).toEqual({});
  expect(afterATensor.cudaGetDeviceCount).toBeGreaterThan(0);
});
