// The WebAssembly module as what lib/native calls: an object with the functions that the addon exports.
import type { NativeBinding, NativeDevice, NativeDeviceError, NativeOutcome } from '../native/binding.js';
import { CALL_FIELDS } from '../native/call-fields.js';
import { environmentVariable } from '../options/runtime.js';
import { computeLinear, computeLinearAsync } from './compute-linear.js';
import { computeLoss, computeLossAsync } from './compute-loss.js';
import { computeLinearTopTokens } from './linear-top-tokens.js';
import { whileModuleHasMemory } from './module.js';
import { readNames } from './names.js';
import { refuseParts } from './native-only.js';
import type { Elements } from './rows.js';
import { computeTopTokens } from './top-tokens.js';

const INSTRUCTION_SET = 'wasm-simd128';
const TUNING = 'default';

const NO_CUDA = 'the WebAssembly module computes on the CPU only; CUDA needs the native addon';
const NOT_BUILT: NativeDeviceError = { status: 'device-error', kind: 'not-built', message: NO_CUDA };

/** Compiles the module. Throws an Error with a code of its own where that cannot be (web-assembly.ts). */
export function loadWasm(): NativeBinding {
  const { faults, ...names } = readNames();
  if (JSON.stringify(names.callFields) !== JSON.stringify(CALL_FIELDS)) {
    throw new Error('fused-bear-loss: the WebAssembly module belongs to another version of this package');
  }
  const isOnDevice = (numbers: Float64Array) => numbers[DEVICE] !== CPU;
  return {
    ...names,
    computeLoss(numbers, arrays, summary) {
      if (isOnDevice(numbers)) return NOT_BUILT;
      return summarized(computeLoss(numbers, arrays, faults), summary);
    },
    // What is lent is copied too: nothing of it is ever in use when a call is aborted.
    computeLossAsync(numbers, arrays, _lent, state, done) {
      if (isOnDevice(numbers)) return NOT_BUILT;
      return computeLossAsync(numbers, arrays, state, done, faults);
    },
    topTokens(numbers, logits, offsets, allowedTokens, bitmask, tokens, logProbabilities, logSumExp) {
      const arrays = { logits, offsets, allowedTokens, bitmask, tokens, logProbabilities, logSumExp };
      return whileModuleHasMemory((): NativeOutcome | undefined => computeTopTokens(numbers, arrays, faults));
    },
    linearTopTokens(numbers, factors, offsets, allowedTokens, bitmask, tokens, logProbabilities, logSumExp, product) {
      const [hidden, weight, bias, allowedBias] = factors as [Elements, Elements, Elements?, Elements?];
      const constraint = { allowedBias, offsets, allowedTokens, bitmask };
      const arrays = { hidden, weight, bias, ...constraint, tokens, logProbabilities, logSumExp };
      return whileModuleHasMemory(() => computeLinearTopTokens(numbers, product, arrays, faults));
    },
    partials: refuseParts,
    partGradient: refuseParts,
    linearLoss(numbers, arrays, linearNumbers, linearArrays, summary) {
      return summarized(computeLinear({ numbers, arrays, linearNumbers, linearArrays }, faults), summary);
    },
    linearLossAsync(numbers, arrays, linearNumbers, linearArrays, _lent, state, done) {
      return computeLinearAsync({ numbers, arrays, linearNumbers, linearArrays }, faults, state, done);
    },
    cpuInfo: () => ({
      instructionSet: INSTRUCTION_SET,
      instructionSets: [INSTRUCTION_SET],
      overrideError: overrideError(),
      tuning: TUNING,
      tuningError: tuningError(),
    }),
    cudaInfo: () => ({ built: false, available: false, reason: NO_CUDA, devices: [] }),
    device: noDevice(),
  };
}

/** Undefined: done, every row finite, and `summary` written. */
function summarized(outcome: NativeOutcome, summary: Float64Array): NativeOutcome | undefined {
  if (outcome.status !== 'done' || outcome.nonFiniteRows.length > 0) return outcome;
  summary[0] = outcome.loss;
  summary[1] = outcome.countedRows;
  summary[2] = outcome.prunedRows;
  summary[3] = outcome.topRankedRows;
  return undefined;
}

const DEVICE = CALL_FIELDS.numbers.indexOf('device');
/** The device that is none. */
const CPU = -1;

function overrideError(): string {
  const wanted = wish('FUSED_BEAR_LOSS_INSTRUCTION_SET');
  return wanted === '' || wanted === INSTRUCTION_SET ? '' : `this build has no instruction set named ${wanted}`;
}

function tuningError(): string {
  const wanted = wish('FUSED_BEAR_LOSS_TUNING');
  return wanted === '' || wanted === TUNING ? '' : `the WebAssembly module has no tuning ${wanted}`;
}

function wish(variable: string): string {
  return environmentVariable(variable) ?? '';
}

// No handle of a device can exist, so what takes one is never called.
function noDevice(): NativeDevice {
  const refuse = () => NOT_BUILT;
  return {
    createStream: refuse,
    adoptStream: refuse,
    synchronizeStream: refuse,
    allocate: refuse,
    upload: refuse,
    adopt: refuse,
    pointer: () => 0n,
    copy: refuse,
    download: refuse,
    downloadAsync: refuse,
    enqueueLoss: refuse,
    readLoss: () => undefined,
    release: () => undefined,
    memory: refuse,
    releaseCached: refuse,
  };
}
