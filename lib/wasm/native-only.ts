import { bearError } from '../options/errors.js';

// The calls that the module does not have.

export const refuseParts = refusal('logitsPart', 'parts of a vocabulary');
export const refuseLinear = refusal('hidden', 'products of hidden states and weights');

function refusal(argument: string, what: string): () => never {
  return () => {
    throw bearError('ERR_BEAR_NATIVE_ONLY', {
      argument,
      expected: `the native addon, which alone computes ${what}`,
      received: 'the WebAssembly module',
    });
  };
}
