// The only place that loads the addon, and the types of what it exports. Nothing is loaded before the first call.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
 * One call of the loss: checked numbers and views, nothing left to decide. Names in lists cross as their position in
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
  beamWidth: number;
  penalty: number;
  thresholdGradient: number;
  reduction: number;
  gradient: number;
  lambda: number;
  xi: number;
  margin: number;
  temperature: number;
  /** 0: none. */
  softcap: number;
  labelSmoothing: number;
  zLoss: number;
  /** 0: the number of counted rows. */
  normalizer: number;
  gradOutput: number;
  ignoreIndex: number;
  pruningStatistics: boolean;
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

/** Anything but `done` leaves every buffer of the caller as it was (`out-of-memory`: where it struck before the kernel). */
export type NativeOutcome =
  | NativeSummary
  | { status: 'invalid'; fault: NativeFault; row: number; value: number }
  | { status: 'overlap'; input: string }
  | { status: 'aborted' }
  | NativeDeviceFailure
  | { status: 'detached' | 'out-of-memory' };

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

export interface NativeDeviceFailure {
  status: 'device-error';
  kind: NativeDeviceErrorKind;
  /** What is wrong and what to do. */
  message: string;
}

type NativeArray = Float32Array | Uint16Array | Int32Array | Uint32Array;

export interface NativeMemoryCounts {
  usedBytes: number;
  usedBlocks: number;
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
  readLoss(loss: NativeEnqueuedLoss, done: (outcome: NativeOutcome) => void): undefined;
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

/** What the addon exports. A call crosses as its numbers and its arrays, each in the order of `callFields`. */
export interface NativeBinding {
  /** Undefined: done, every row finite, and `summary` written. */
  computeLoss(
    numbers: Float64Array,
    arrays: (NativeArray | undefined)[],
    summary: Float64Array,
  ): NativeOutcome | undefined;
  /** Reads `numbers` before it returns; looks at `arrays` again when it is done. */
  computeLossAsync(
    numbers: Float64Array,
    arrays: (NativeArray | undefined)[],
    abortFlag: Int32Array | undefined,
    done: (outcome: NativeOutcome) => void,
  ): NativeOutcome | undefined;
  /** Undefined: done. `numbers` are in the order of `callFields.topTokensNumbers`. */
  topTokens(
    numbers: Float64Array,
    logits: Float32Array | Uint16Array,
    allowedOffsets: Int32Array | undefined,
    allowedTokens: Int32Array | undefined,
    allowedBitmask: Uint32Array | undefined,
    tokens: Int32Array,
    logProbabilities: Float32Array,
    logSumExp: Float32Array,
  ): NativeOutcome | undefined;
  cpuInfo(): { instructionSet: string; instructionSets: string[]; overrideError: string };
  cudaInfo(): { built: boolean; available: boolean; reason: string; devices: NativeCudaDevice[] };
  device: NativeDevice;
  optionNames: Record<'dtype' | 'penalty' | 'reduction' | 'thresholdGradient' | 'gradient', string[]>;
  deviceErrorKinds: string[];
  callFields: Record<'numbers' | 'arrays' | 'summary' | 'topTokensNumbers', string[]>;
}

export function computeLoss(call: NativeLossCall): NativeOutcome {
  const { computeLoss } = native();
  return computeLoss(numbersOf(call), arraysOf(call), summary) ?? summaryOutcome();
}

/**
 * Copies the inputs before it returns. An outcome that is returned is final; else `done` gets it. The call ends early
 * once `abortFlag[0]` is not 0.
 */
export function computeLossAsync(
  call: NativeLossCall,
  abortFlag: Int32Array | undefined,
  done: (outcome: NativeOutcome) => void,
): NativeOutcome | undefined {
  return native().computeLossAsync(numbersOf(call), arraysOf(call), abortFlag, done);
}

/** Uploads what lies in host memory and returns; the device does the rest. */
export function enqueueLoss(
  call: NativeLossCall<NativeStorage>,
  scalarLoss: NativeStorage | undefined,
  stream: NativeStream | undefined,
): NativeEnqueuedLoss | NativeOutcome {
  return native().device.enqueueLoss(numbersOf(call), arraysOf(call), scalarLoss, stream);
}

/** The positions of native/binding/call_fields.h, compared with the addon's when it is loaded. */
export const CALL_FIELDS = {
  numbers: [
    'device',
    'rows',
    'vocabSize',
    'rowStride',
    'dtype',
    'beamWidth',
    'penalty',
    'thresholdGradient',
    'reduction',
    'gradient',
    'lambda',
    'xi',
    'margin',
    'temperature',
    'softcap',
    'labelSmoothing',
    'zLoss',
    'normalizer',
    'gradOutput',
    'ignoreIndex',
    'pruningStatistics',
    'threads',
    'gradRowStride',
    'gradIsNew',
  ],
  arrays: [
    'logits',
    'targets',
    'gradLogits',
    'tokenWeights',
    'penaltyWeights',
    'gradOutputRows',
    'allowedOffsets',
    'allowedTokens',
    'allowedBitmask',
    'rowLosses',
    'nll',
    'logSumExp',
    'threshold',
    'margins',
    'penalties',
    'rank',
  ],
  summary: ['loss', 'countedRows', 'prunedRows', 'topRankedRows'],
  topTokensNumbers: [
    'rows',
    'vocabSize',
    'rowStride',
    'dtype',
    'beamWidth',
    'temperature',
    'softcap',
    'listedLogits',
    'threads',
  ],
} as const;

// Used again by every call: nothing of a user's runs between the writing and the reading of them.
const numbers = new Float64Array(CALL_FIELDS.numbers.length);
const summary = new Float64Array(CALL_FIELDS.summary.length);

// Field by field, as a loop over the names takes ten times as long.
function numbersOf(call: NativeLossCall<NativeStorage>): Float64Array {
  numbers[0] = call.device;
  numbers[1] = call.rows;
  numbers[2] = call.vocabSize;
  numbers[3] = call.rowStride;
  numbers[4] = call.dtype;
  numbers[5] = call.beamWidth;
  numbers[6] = call.penalty;
  numbers[7] = call.thresholdGradient;
  numbers[8] = call.reduction;
  numbers[9] = call.gradient;
  numbers[10] = call.lambda;
  numbers[11] = call.xi;
  numbers[12] = call.margin;
  numbers[13] = call.temperature;
  numbers[14] = call.softcap;
  numbers[15] = call.labelSmoothing;
  numbers[16] = call.zLoss;
  numbers[17] = call.normalizer;
  numbers[18] = call.gradOutput;
  numbers[19] = call.ignoreIndex;
  numbers[20] = call.pruningStatistics ? 1 : 0;
  numbers[21] = call.threads;
  numbers[22] = call.gradRowStride;
  numbers[23] = call.gradIsNew ? 1 : 0;
  return numbers;
}

// What every call has, then what few have: the addon takes what lies past the end as undefined, and need not ask for it.
function arraysOf<On = never>(call: NativeLossCall<On>): (NativeArray | On | undefined)[] {
  const arrays: (NativeArray | On | undefined)[] = [call.logits, call.targets, call.gradLogits];
  const { tokenWeights, penaltyWeights, gradOutputRows, allowedOffsets, allowedTokens, allowedBitmask } = call;
  const { rowLosses, nll, logSumExp, threshold, margins, penalties, rank } = call;
  const isPlain =
    tokenWeights === undefined &&
    penaltyWeights === undefined &&
    gradOutputRows === undefined &&
    allowedOffsets === undefined &&
    allowedBitmask === undefined &&
    rowLosses === undefined &&
    rank === undefined;
  if (isPlain) return arrays;
  arrays.push(tokenWeights, penaltyWeights, gradOutputRows, allowedOffsets, allowedTokens, allowedBitmask);
  arrays.push(rowLosses, nll, logSumExp, threshold, margins, penalties, rank);
  return arrays;
}

function summaryOutcome(): NativeSummary {
  return {
    status: 'done',
    loss: summary[0] as number,
    countedRows: summary[1] as number,
    prunedRows: summary[2] as number,
    topRankedRows: summary[3] as number,
    nonFiniteRows: [],
  };
}

// lib/ and dist/ lie equally deep below the package's root.
const packageRoot = join(__dirname, '..');

let binding: NativeBinding | undefined;

/** The addon. Throws an Error with code ERR_BEAR_ADDON_NOT_FOUND that says what to do where it cannot be loaded. */
export function native(): NativeBinding {
  binding ??= load();
  return binding;
}

function load(): NativeBinding {
  let loaded: NativeBinding;
  try {
    loaded = (require('node-gyp-build') as (folder: string) => NativeBinding)(packageRoot);
    assertSameFields(loaded);
  } catch (error) {
    throw addonNotFound(error as Error);
  }
  const { overrideError } = loaded.cpuInfo();
  if (overrideError !== '') warnAboutEnvironment(instructionSetWarning(overrideError));
  return loaded;
}

// A clone that was updated and not built anew: positions would mean other fields.
function assertSameFields({ callFields }: NativeBinding): void {
  if (JSON.stringify(callFields) === JSON.stringify(CALL_FIELDS)) return;
  throw new Error('The addon that was found belongs to another version of this package.');
}

export function instructionSetWarning(overrideError: string): string {
  return `FUSED_BEAR_LOSS_INSTRUCTION_SET was not followed: ${overrideError}`;
}

/** Tells once, on stderr unless the program decides otherwise, of an environment variable that could not be followed. */
export function warnAboutEnvironment(message: string): void {
  process.emitWarning(message, { type: 'FusedBearLossWarning', code: 'BEAR_ENVIRONMENT' });
}

function addonNotFound(cause: Error): Error {
  const message = [
    'fused-bear-loss: the native addon could not be loaded.',
    `  ${cause.message.trim().split('\n').join('\n  ')}`,
    `This is ${process.platform}-${process.arch} (${describeLibc()}), Node ${process.version}. Looked in:`,
    ...searchedFolders().map((folder) => `  ${folder}: ${describeFolder(folder)}`),
    'What helps:',
    '  in an application:  npm rebuild fused-bear-loss',
    '  where npm does not run install scripts:  npm install-scripts approve fused-bear-loss, then the line above',
    '  in a clone:  npm ci && npm run build',
    'Building needs a C++17 compiler with make and Python (or, in a clone, cmake). A node_modules folder that was',
    'installed on another operating system or C library has to be installed anew.',
  ].join('\n');
  return Object.assign(new Error(message, { cause }), { code: 'ERR_BEAR_ADDON_NOT_FOUND' });
}

function describeLibc(): string {
  if (process.platform !== 'linux') return 'no Linux';
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'no glibc, perhaps musl';
}

// In the order of node-gyp-build.
function searchedFolders(): string[] {
  const root = process.env.FUSED_BEAR_LOSS_PREBUILD ?? packageRoot;
  const target = join('prebuilds', `${process.platform}-${process.arch}`);
  const builds = process.env.PREBUILDS_ONLY ? [] : [join(root, 'build', 'Release'), join(root, 'build', 'Debug')];
  return [...builds, join(root, target), join(dirname(process.execPath), target)];
}

function describeFolder(folder: string): string {
  try {
    const addons = readdirSync(folder).filter((name) => name.endsWith('.node'));
    return addons.length > 0 ? addons.join(', ') : 'no addon in it';
  } catch {
    return 'not there';
  }
}
