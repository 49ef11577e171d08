// The addon's refusals in the words of the public arguments.
import type { NativeFault, NativeOutcome } from '../native/binding.js';
import { deviceName } from '../options/device-names.js';
import { argumentError, type BearErrorCode, type BearLossError, bearError } from '../options/errors.js';
import { APART } from './arrays.js';
import { deviceError } from './device-errors.js';

type Refusal = Exclude<NativeOutcome, { status: 'done' | 'aborted' }>;
type Invalid = Extract<NativeOutcome, { status: 'invalid' }>;

/** The call that the addon refused. */
export interface RefusedCall {
  call: { vocabSize: number; device: number };
  options: { ignoreIndex: number };
  /** The number of allowed ids. */
  allowedTokenCount: number;
  /** What the caller calls the array that takes the gradient. */
  gradientArgument: string;
}

interface FaultWords {
  code: BearErrorCode;
  argument: string;
  expected(call: RefusedCall): string;
}

const tokenId = ({ call }: RefusedCall) => `a token id from 0 to ${call.vocabSize - 1}`;

const FAULTS: Record<NativeFault, FaultWords> = {
  'target-out-of-range': {
    code: 'ERR_BEAR_TARGET_OUT_OF_RANGE',
    argument: 'targets',
    expected: (refused) => `${tokenId(refused)}, or ignoreIndex (${refused.options.ignoreIndex})`,
  },
  'target-not-allowed': {
    code: 'ERR_BEAR_TARGET_NOT_ALLOWED',
    argument: 'targets',
    expected: () => 'one of the allowed tokens of its row',
  },
  'allowed-offsets-not-ascending': {
    code: 'ERR_BEAR_ALLOWED_OFFSETS',
    argument: 'allowed.offsets',
    expected: () => 'an end that is not before the start',
  },
  'allowed-offsets-range': {
    code: 'ERR_BEAR_ALLOWED_OFFSETS',
    argument: 'allowed.offsets',
    expected: ({ allowedTokenCount }) => `offsets from 0 to the number of allowed tokens, ${allowedTokenCount}`,
  },
  'allowed-tokens-not-ascending': {
    code: 'ERR_BEAR_ALLOWED_TOKENS_ORDER',
    argument: 'allowed.tokens',
    expected: () => 'ids in ascending order, none twice',
  },
  'allowed-token-out-of-range': {
    code: 'ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE',
    argument: 'allowed.tokens',
    expected: tokenId,
  },
  'allowed-row-empty': {
    code: 'ERR_BEAR_ALLOWED_ROW_EMPTY',
    argument: 'allowed',
    expected: () => 'at least one token, or a target that is ignored',
  },
};

function faultError({ fault, row, value }: Invalid, call: RefusedCall): BearLossError {
  const { code, argument, expected } = FAULTS[fault];
  const received = fault === 'allowed-row-empty' ? `none for target ${value}` : String(value);
  return bearError(code, { argument, expected: expected(call), received, ...(row < 0 ? {} : { row }) });
}

/** The error of an array of `out` that no call computes in place. */
export function outputOverlapError(input: string): BearLossError {
  const expected = 'memory that no input and no other output shares';
  return argumentError('ERR_BEAR_OUT_OVERLAP', 'out', expected, `memory that overlaps ${input}`);
}

export const GONE = 'a view whose buffer was transferred, detached or resized meanwhile';
const ROWS_OF_MODULE = 'rows that the memory of the WebAssembly module, at most 4 GB, can grow to hold';

/** The error that tells the caller of an outcome other than `done` and `aborted`. */
export function outcomeError(outcome: Refusal, refused: RefusedCall): BearLossError {
  const gradient = refused.gradientArgument;
  switch (outcome.status) {
    case 'invalid':
      return faultError(outcome, refused);
    case 'overlap':
      return argumentError('ERR_BEAR_OUT_OVERLAP', gradient, APART, `memory that overlaps ${outcome.input}`);
    case 'detached':
      return argumentError('ERR_BEAR_BUFFER_DETACHED', gradient, 'the length that it had when the call was made', GONE);
    case 'out-of-memory':
      return argumentError('ERR_BEAR_OUT_OF_MEMORY', 'logits', 'memory to compute the loss in');
    case 'module-out-of-memory':
      return argumentError('ERR_BEAR_WASM_OUT_OF_MEMORY', 'logits', ROWS_OF_MODULE);
    case 'device-error':
      return deviceError(outcome, deviceName(refused.call.device));
  }
}
