import { deviceError } from '../../lib/loss/device-errors';
import { native } from '../../lib/native/backend';
import type { NativeDeviceErrorKind } from '../../lib/native/binding';
import { deviceIndex, deviceName } from '../../lib/options/device-names';
import { BEAR_ERROR_CODES } from '../../lib/options/errors';

const kinds = Array.from(native().deviceErrorKinds) as NativeDeviceErrorKind[];

describe('the error of a device', () => {
  it.each(kinds)('%s has a code, and says what the addon says of it', (kind) => {
    const error = deviceError({ status: 'device-error', kind, message: 'do something' }, 'cuda:3');
    expect(BEAR_ERROR_CODES).toContain(error.code);
    expect(error.message).toContain('cuda:3: do something');
  });

  it('has a code of its own for each cause that has a remedy of its own', () => {
    const separate: NativeDeviceErrorKind[] = [
      'not-built',
      'driver-missing',
      'driver-too-old',
      'no-device',
      'not-found',
      'out-of-device-memory',
      'out-of-pinned-memory',
      'launch-failed',
      'invalid-memory',
      'failed',
    ];
    const codes = separate.map((kind) => deviceError({ status: 'device-error', kind, message: '' }, 'cuda:0').code);
    expect(new Set(codes).size).toBe(separate.length);
  });
});

describe('the name of a device', () => {
  it.each([
    ['cpu', -1],
    ['cuda:0', 0],
    ['cuda:7', 7],
  ])('%s is %d for the addon, and back', (name, index) => {
    expect(deviceIndex(name)).toBe(index);
    expect(deviceName(index)).toBe(name);
  });

  it('cuda is the first device', () => {
    expect(deviceIndex('cuda')).toBe(0);
  });
});
