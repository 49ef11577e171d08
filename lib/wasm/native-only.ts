import { bearError } from '../options/errors.js';

/** For the calls that the module does not have. */
export function refuseParts(): never {
  throw bearError('ERR_BEAR_NATIVE_ONLY', {
    argument: 'logitsPart',
    expected: 'the native addon, which alone computes parts of a vocabulary',
    received: 'the WebAssembly module',
  });
}
