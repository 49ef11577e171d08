// The types of what the addon exports.
import type { CrossingOptions } from '../options/option-table.js';

declare const handle: unique symbol;
/** Memory of a device, which the addon frees with its last owner or when it is released. */
export interface NativeStorage {
  readonly [handle]: 'storage';
}
/** A queue of work on a device. */
export interface NativeStream {
  readonly [handle]: 'stream';
}
/** A call of the loss that has been enqueued. */
export interface NativeEnqueuedLoss {
  readonly [handle]: 'loss';
}

/**
 * One call of the loss: checked options and views, nothing left to decide. Names in lists cross as their position in
 * `optionNames`. Absent arrays are undefined. `On` is the type of arrays on a device, for calls that take them.
 */
export interface NativeLossCall<On = never> {
  /** A CUDA device's index, or -1 for the CPU. */
  device: number;
  rows: number;
  vocabSize: number;
  rowStride: number;
  dtype: number;
  logits: Float32Array | Uint16Array | On;
  targets: Int32Array | On;
  tokenWeights: Float32Array | On | undefined;
  penaltyWeights: Float32Array | On | undefined;
  gradOutputRows: Float32Array | On | undefined;
  allowedOffsets: Int32Array | On | undefined;
  allowedTokens: Int32Array | On | undefined;
  allowedBitmask: Uint32Array | On | undefined;
  gradient: number;
  gradOutput: number;
  /** The options that cross as numbers. */
  options: CrossingOptions;
  threads: number;
  gradLogits: Float32Array | Uint16Array | On | undefined;
  gradRowStride: number;
  /** Whether the addon may write to gradLogits before the call is certain to end well. */
  gradIsNew: boolean;
  rowLosses: Float32Array | On | undefined;
  nll: Float32Array | On | undefined;
  logSumExp: Float32Array | On | undefined;
  threshold: Float32Array | On | undefined;
  margins: Float32Array | On | undefined;
  penalties: Float32Array | On | undefined;
  rank: Int32Array | On | undefined;
}

export type NativeFault =
  | 'target-out-of-range'
  | 'target-not-allowed'
  | 'allowed-offsets-not-ascending'
  | 'allowed-offsets-range'
  | 'allowed-tokens-not-ascending'
  | 'allowed-token-out-of-range'
  | 'allowed-row-empty';

export interface NativeSummary {
  status: 'done';
  loss: number;
  countedRows: number;
  prunedRows: number;
  topRankedRows: number;
  nonFiniteRows: number[];
}

/** What any function of the addon may end with. Nothing has been written, and nothing is left of the call. */
export interface NativeOutOfMemory {
  status: 'out-of-memory';
}

/** Anything but `done` leaves every buffer of the caller as it was. */
export type NativeOutcome =
  | NativeSummary
  | { status: 'invalid'; fault: NativeFault; row: number; value: number }
  | { status: 'overlap'; input: string }
  | { status: 'aborted' }
  | { status: 'module-out-of-memory' }
  | NativeDeviceFailure
  | { status: 'detached' };

export type NativeDeviceErrorKind =
  | 'not-built'
  | 'driver-missing'
  | 'driver-too-old'
  | 'no-device'
  | 'not-found'
  | 'out-of-device-memory'
  | 'out-of-pinned-memory'
  | 'out-of-host-memory'
  | 'launch-failed'
  | 'invalid-memory'
  | 'failed';

export interface NativeDeviceError {
  status: 'device-error';
  kind: NativeDeviceErrorKind;
  /** What is wrong and what to do. */
  message: string;
}

export type NativeDeviceFailure = NativeDeviceError | NativeOutOfMemory;

export type NativeArray = Float32Array | Uint16Array | Int32Array | Uint32Array;

/** What a call of the linear form has beside that of the loss. */
export interface NativeLinearCall {
  /** Without logits and gradient. */
  loss: NativeLossCall;
  hiddenSize: number;
  /** Of hidden and weight. */
  operandDType: number;
  accumulate: boolean;
  workspaceBytes: number;
  hidden: Float32Array | Uint16Array;
  weight: Float32Array | Uint16Array;
  bias: Float32Array | undefined;
  /** Of the entries of the lists. */
  allowedBias: Float32Array | undefined;
  gradHidden: Float32Array | Uint16Array | undefined;
  gradWeight: Float32Array | undefined;
  gradBias: Float32Array | undefined;
  gradAllowedBias: Float32Array | undefined;
  /** The tokens whose rows `gradWeight` has, ascending; undefined: all. */
  weightTokens: Int32Array | undefined;
  /** Whether `gradWeight` holds zeros. */
  weightIsZero: boolean;
}

export type NativePartArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A part's numbers of each of N rows. */
export interface NativePartials {
  /** [N], the largest allowed logit; minus infinity where there is none. */
  maxLogit: Float32Array;
  /** [N], the sum of exp(u_j - u_max) over the allowed tokens without the target. */
  sumOthers: Float64Array;
  /** [N], the target's logit where the part has the target, else 0. */
  targetLogit: Float32Array;
  /** [N], the number of allowed tokens; without label smoothing at most max(W, 2). */
  counts: Int32Array;
  /** [N], the sum of u_j - u_max over the allowed tokens; empty without label smoothing. */
  sumDifferences: Float64Array;
  /** [N, W], the largest allowed logits, at equal ones the lower id first; then minus infinity. */
  candidateLogits: Float32Array;
  /** [N, W], their ids in the whole vocabulary; then -1. */
  candidateTokens: Int32Array;
  /** [N], bits: 1 NaN or plus infinity, 2 the part has the target, 4 the target is ignored. */
  flags: Uint8Array;
}

/** What all parts say of each of N rows. */
export interface NativeMergedRows {
  /** [N], the largest allowed logit; minus infinity where there is none. */
  maxLogit: Float32Array;
  /** [N], the sum of exp(u_j - u_max) over the allowed tokens without the target. */
  sumOthers: Float64Array;
  /** [N] */
  targetLogit: Float32Array;
  /** [N], the B-th largest allowed logit, the smallest where there are fewer. The row is pruned where the target's is less. */
  thresholdLogit: Float32Array;
  /** [N], its token, at equal logits the one that a beam search takes last; -1 where there is none. */
  thresholdToken: Int32Array;
  /** [N], the number of allowed tokens; empty without label smoothing. */
  allowedCount: Float64Array;
  /** [N], the sum of u_j - u_max over the allowed tokens; empty without label smoothing. */
  sumDifferences: Float64Array;
  /** [N], bits: 1 NaN or plus infinity, 4 the target is ignored, 8 no allowed logit is finite, 16 several are allowed. */
  flags: Uint8Array;
}

export interface NativeMemoryCounts {
  allocatedBytes: number;
  allocatedBlocks: number;
  cachedBytes: number;
  cachedBlocks: number;
}

/** Memory and streams of devices, by a device's index. Undefined for a stream is the device's default stream. */
export interface NativeDevice {
  createStream(device: number): NativeStream | NativeDeviceFailure;
  adoptStream(device: number, pointer: bigint): NativeStream | NativeDeviceFailure;
  /** Blocks until the stream's work is done. */
  synchronizeStream(stream: NativeStream): undefined | NativeDeviceFailure;
  /** Zeros, or whatever the memory held before. */
  allocate(
    device: number,
    bytes: number,
    stream: NativeStream | undefined,
    cleared: boolean,
  ): NativeStorage | NativeDeviceFailure;
  upload(device: number, source: Uint8Array, stream: NativeStream | undefined): NativeStorage | NativeDeviceFailure;
  adopt(device: number, pointer: bigint, bytes: number): NativeStorage | NativeDeviceFailure;
  pointer(storage: NativeStorage): bigint;
  copy(
    destination: NativeStorage,
    source: NativeStorage,
    bytes: number,
    stream: NativeStream | undefined,
  ): undefined | NativeDeviceFailure;
  /** Blocks until all is there. */
  download(storage: NativeStorage, destination: Uint8Array): undefined | NativeDeviceFailure;
  /** `destination` must be memory that nobody else knows before `done` is called. */
  downloadAsync(
    storage: NativeStorage,
    destination: Uint8Array,
    done: (failure: undefined | NativeDeviceFailure) => void,
  ): undefined | NativeDeviceFailure;
  enqueueLoss(
    numbers: Float64Array,
    arrays: (NativeArray | NativeStorage | undefined)[],
    scalarLoss: NativeStorage | undefined,
    stream: NativeStream | undefined,
  ): NativeEnqueuedLoss | NativeOutcome;
  readLoss(loss: NativeEnqueuedLoss, done: (outcome: NativeOutcome) => void): undefined | NativeOutOfMemory;
  release(handle: NativeStorage | NativeStream | NativeEnqueuedLoss): undefined;
  memory(device: number): { device: NativeMemoryCounts; pinned: NativeMemoryCounts } | NativeDeviceFailure;
  releaseCached(device: number): undefined | NativeDeviceFailure;
}

export interface NativeCudaDevice {
  index: number;
  name: string;
  computeCapability: string;
  memoryBytes: number;
}

/** What a function of the addon returns that writes its results: undefined where it is done. */
type Ending = NativeOutcome | undefined;

type LossArguments = [numbers: Float64Array, arrays: (NativeArray | undefined)[]];

/** `lent` has a bit for what may be used where it lies; `done` is called unless an outcome was returned. */
type BackgroundArguments = [lent: number, state: Int32Array | undefined, done: (outcome: NativeOutcome) => void];

type LinearArguments = [...LossArguments, linearNumbers: Float64Array, linearArrays: (NativeArray | undefined)[]];

/** `place` is [firstToken, vocabSize] of a part whose `vocabSize` the numbers have. */
type PartArguments = [...LossArguments, place: Float64Array, ofRows: (NativePartArray | undefined)[]];

type TopTokensArguments<Source> = [
  numbers: Float64Array,
  source: Source,
  allowedOffsets: Int32Array | undefined,
  allowedTokens: Int32Array | undefined,
  allowedBitmask: Uint32Array | undefined,
  tokens: Int32Array,
  logProbabilities: Float32Array,
  logSumExp: Float32Array,
];

/** What the addon exports. A call crosses as its numbers and its arrays, each in the order of `callFields`. */
export interface NativeBinding {
  /** Undefined: done, every row finite, and `summary` written. */
  computeLoss(...call: [...LossArguments, summary: Float64Array]): Ending;
  /**
   * Reads `numbers` before it returns; looks at `arrays` again when it is done. `lent` is the sum of 1 for the logits and
   * 2 for the gradient. `state` is shared memory: not 0 at [0] aborts the call, not 0 at [1] says that it has begun.
   */
  computeLossAsync(...call: [...LossArguments, ...BackgroundArguments]): Ending;
  /** Undefined: done. `numbers` are in the order of `callFields.topTokensNumbers`. */
  topTokens(...call: TopTokensArguments<Float32Array | Uint16Array>): Ending;
  /** As `topTokens` of a product: [hidden, weight, bias, allowed.bias], and `product` is [hiddenSize, workspaceBytes]. */
  linearTopTokens(
    ...call: [...TopTokensArguments<(Float32Array | Uint16Array | undefined)[]>, product: Float64Array]
  ): Ending;
  /**
   * What a part of a vocabulary hands over. Undefined: done. Numbers and arrays are those of a call of the loss without
   * outputs; targets and lists have ids of the whole vocabulary. `ofRows` are in the order of `partialArrays`
   * (loss-calls.ts).
   */
  partials(...call: PartArguments): Ending;
  /** The loss of whole rows and the gradient of a part; `ofRows` in the order of `mergedArrays`; else as `computeLoss`. */
  partGradient(...call: [...PartArguments, summary: Float64Array]): Ending;
  /**
   * The linear form; else as `computeLoss`. Numbers and arrays are those of a call of the loss without logits and gradient,
   * the others in the order of `callFields`.
   */
  linearLoss(...call: [...LinearArguments, summary: Float64Array]): Ending;
  /** As `computeLossAsync`; `lent` has a bit for each of `linearArrays`. */
  linearLossAsync(...call: [...LinearArguments, ...BackgroundArguments]): Ending;
  cpuInfo(): {
    instructionSet: string;
    instructionSets: string[];
    overrideError: string;
    tuning: string;
    tuningError: string;
  };
  cudaInfo(): { built: boolean; available: boolean; reason: string; devices: NativeCudaDevice[] } | NativeOutOfMemory;
  device: NativeDevice;
  optionNames: Record<'dtype' | 'penalty' | 'reduction' | 'thresholdGradient' | 'gradient', string[]>;
  deviceErrorKinds: string[];
  callFields: Record<
    'numbers' | 'arrays' | 'summary' | 'topTokensNumbers' | 'linearNumbers' | 'linearArrays',
    string[]
  >;
}
