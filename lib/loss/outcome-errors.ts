// The addon's refusals in the words of the public arguments.
import type { NativeFault, NativeOutcome } from '../native/binding.js';
import { deviceName } from '../options/device-names.js';
import { type BearErrorCode, type BearLossError, bearError } from '../options/errors.js';
import { deviceError } from './device-errors.js';

type Refusal = Exclude<NativeOutcome, { status: 'done' | 'aborted' }>;
type Invalid = Extract<NativeOutcome, { status: 'invalid' }>;

/** What a call says of the integers that the addon refused. */
export interface FaultyCall {
  call: { vocabSize: number };
  options: { ignoreIndex: number };
  /** The number of allowed ids. */
  allowedTokenCount: number;
}

/** The call that the addon refused. */
export interface RefusedCall extends FaultyCall {
  call: { vocabSize: number; device: number };
  /** What the caller calls the array that takes the gradient. */
  gradientArgument: string;
}

interface FaultWords {
  code: BearErrorCode;
  argument: string;
  expected(call: FaultyCall): string;
}

const tokenId = ({ call }: FaultyCall) => `a token id from 0 to ${call.vocabSize - 1}`;

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

export function faultError({ fault, row, value }: Invalid, call: FaultyCall): BearLossError {
  const { code, argument, expected } = FAULTS[fault];
  const received = fault === 'allowed-row-empty' ? `none for target ${value}` : String(value);
  return bearError(code, { argument, expected: expected(call), received, ...(row < 0 ? {} : { row }) });
}

/** The error of an array of `out` that no call computes in place. */
export function outputOverlapError(input: string): BearLossError {
  return bearError('ERR_BEAR_OUT_OVERLAP', {
    argument: 'out',
    expected: 'memory that no input and no other output shares',
    received: `memory that overlaps ${input}`,
  });
}

/** The error that tells the caller of an outcome other than `done` and `aborted`. */
export function outcomeError(outcome: Refusal, refused: RefusedCall): BearLossError {
  const gradient = refused.gradientArgument;
  switch (outcome.status) {
    case 'invalid':
      return faultError(outcome, refused);
    case 'overlap':
      return bearError('ERR_BEAR_OUT_OVERLAP', {
        argument: gradient,
        expected: 'memory that no input shares, or exactly that of the logits',
        received: `memory that overlaps ${outcome.input}`,
      });
    case 'detached':
      return bearError('ERR_BEAR_BUFFER_DETACHED', {
        argument: gradient,
        expected: 'the length that it had when the call was made',
        received: 'a view whose buffer was transferred, detached or resized meanwhile',
      });
    case 'out-of-memory':
      return bearError('ERR_BEAR_OUT_OF_MEMORY', { argument: 'logits', expected: 'memory to compute the loss in' });
    case 'module-out-of-memory':
      return bearError('ERR_BEAR_WASM_OUT_OF_MEMORY', {
        argument: 'logits',
        expected: 'rows that the memory of the WebAssembly module, at most 4 GB, can grow to hold',
      });
    case 'device-error':
      return deviceError(outcome, deviceName(refused.call.device));
  }
}
