// What a device answers, in the codes and words of the public errors.
import type { NativeDeviceError, NativeDeviceErrorKind, NativeDeviceFailure } from '../native/binding.js';
import { deviceName } from '../options/device-names.js';
import { type BearErrorCode, type BearLossError, bearError, fail } from '../options/errors.js';

const KINDS: Record<NativeDeviceErrorKind, { code: BearErrorCode; argument: string; expected: string }> = {
  'not-built': { code: 'ERR_BEAR_CUDA_NOT_BUILT', argument: 'device', expected: "'cpu' or 'auto'" },
  'driver-missing': { code: 'ERR_BEAR_CUDA_UNAVAILABLE', argument: 'device', expected: "'cpu' or 'auto'" },
  'driver-too-old': { code: 'ERR_BEAR_CUDA_DRIVER_TOO_OLD', argument: 'device', expected: "'cpu' or 'auto'" },
  'no-device': { code: 'ERR_BEAR_CUDA_NO_DEVICE', argument: 'device', expected: "'cpu' or 'auto'" },
  'not-found': { code: 'ERR_BEAR_CUDA_DEVICE_NOT_FOUND', argument: 'device', expected: 'a device of this machine' },
  'out-of-device-memory': {
    code: 'ERR_BEAR_CUDA_OUT_OF_MEMORY',
    argument: 'device',
    expected: 'memory for the call on the device',
  },
  'out-of-pinned-memory': {
    code: 'ERR_BEAR_CUDA_OUT_OF_PINNED_MEMORY',
    argument: 'device',
    expected: 'page-locked memory of the host',
  },
  'out-of-host-memory': { code: 'ERR_BEAR_OUT_OF_MEMORY', argument: 'logits', expected: 'memory to copy through' },
  'launch-failed': { code: 'ERR_BEAR_CUDA_LAUNCH_FAILED', argument: 'device', expected: 'a device that runs kernels' },
  'invalid-memory': { code: 'ERR_BEAR_POINTER', argument: 'pointer', expected: 'the address of memory of the device' },
  failed: { code: 'ERR_BEAR_CUDA_FAILED', argument: 'device', expected: 'a device that works' },
};

export function deviceError({ kind, message }: NativeDeviceError, device: string): BearLossError {
  const { code, argument, expected } = KINDS[kind];
  return bearError(code, { argument, expected, received: `${device}: ${message}` });
}

/** The value that the addon gave for a device, or its error thrown. */
export function unwrap<Value>(value: Value | NativeDeviceFailure, device: number): Value {
  if (!isFailure(value)) return value;
  if (value.status === 'device-error') throw deviceError(value, deviceName(device));
  fail('ERR_BEAR_OUT_OF_MEMORY', 'device', 'memory of the host for the call');
}

function isFailure(value: unknown): value is NativeDeviceFailure {
  const status = (value as { status?: unknown } | undefined)?.status;
  return status === 'device-error' || status === 'out-of-memory';
}
