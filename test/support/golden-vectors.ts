/** Reads golden vectors: test/golden/authors/README.md explains every field. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BearLossOptions } from '../../lib/index';
import type { ReferenceOptions } from '../reference/bear-loss-reference';

const SHARED = process.env.FUSED_BEAR_LOSS_SHARED ?? resolve(__dirname, '../../../shared');
/** All of them, beside a development checkout. */
export const FULL_GOLDEN_FOLDER = join(SHARED, 'golden');
/** The selection that every clone has. */
export const SELECTED_GOLDEN_FOLDER = resolve(__dirname, '../golden/authors');

export type GoldenKind = 'lml' | 'msl' | 'bear' | 'paper_detached' | 'paper_flow' | 'hinge_detached' | 'hinge_flow';

interface ArrayReference {
  dtype: 'f32' | 'f64' | 'i32';
  shape: number[];
  offset: number;
}
type GradientReference = ArrayReference & { layout: 'dense' | 'csr' };
type GoldenNumber = number | 'Infinity' | '-Infinity' | 'NaN';

interface ManifestCase {
  name: string;
  n: number;
  V: number;
  K: number;
  tau: number;
  xi: number;
  lam: number;
  margin: number;
  inputs: {
    logits?: ArrayReference;
    hidden?: ArrayReference;
    weight?: ArrayReference;
    labels: ArrayReference;
    mask: 'full' | { offsets: ArrayReference; indices: ArrayReference };
  };
  expected: Partial<
    Record<
      GoldenKind,
      { loss: GoldenNumber; grad?: GradientReference; grad_hidden?: ArrayReference; grad_weight?: ArrayReference }
    >
  >;
  rows?: Record<'row_logp' | 'row_logbeta' | 'row_sigma' | 'row_weight' | 'threshold_index', ArrayReference>;
}

export interface GoldenExpectation {
  kind: GoldenKind;
  loss: number;
  /** [n, V], dense; undefined where the loss is not finite. */
  gradient?: Float64Array;
  gradientHidden?: Float64Array;
  gradientWeight?: Float64Array;
}

export interface GoldenCase {
  name: string;
  rows: number;
  vocabSize: number;
  beamWidth: number;
  temperature: number;
  xi: number;
  lambda: number;
  margin: number;
  /** [n, V] in float64: exact for cases that store logits, hidden x weight^T for the linear ones. */
  logits: Float64Array;
  /** The factors of the linear cases, [n, d] and [V, d]. */
  linear?: { hidden: Float64Array; weight: Float64Array; width: number };
  targets: Int32Array;
  allowed?: { offsets: Int32Array; tokens: Int32Array };
  expected: GoldenExpectation[];
  rowValues?: {
    logp: Float64Array;
    logBeta: Float64Array;
    sigma: Float64Array;
    weight: Float64Array;
    thresholdToken: Int32Array;
  };
}

/** Null where the folder has no golden vectors. */
export function loadGoldenVectors(folder: string): GoldenCase[] | null {
  const manifestPath = join(folder, 'manifest.json');
  if (!existsSync(manifestPath)) return null;
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as { bin: string; cases: ManifestCase[] };
  const bytes = new Uint8Array(readFileSync(join(folder, manifest.bin)));
  const read = (array: ArrayReference) => readArray(bytes.buffer, array);
  return manifest.cases.map((entry) => readCase(entry, read));
}

type TypedArray = Float32Array | Float64Array | Int32Array;

function readArray(buffer: ArrayBuffer, { dtype, shape, offset }: ArrayReference): TypedArray {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const types = { f32: Float32Array, f64: Float64Array, i32: Int32Array };
  return new types[dtype](buffer, offset, length);
}

function readCase(entry: ManifestCase, read: (array: ArrayReference) => TypedArray): GoldenCase {
  const { n, V, inputs } = entry;
  const allowed =
    inputs.mask === 'full'
      ? undefined
      : { offsets: Int32Array.from(read(inputs.mask.offsets)), tokens: Int32Array.from(read(inputs.mask.indices)) };
  const linear = readLinear(inputs, read);
  const logits = linear ? product(linear, n, V) : Float64Array.from(read(inputs.logits as ArrayReference));
  const expected = Object.entries(entry.expected).map(
    ([kind, { loss, grad, grad_hidden, grad_weight }]): GoldenExpectation => ({
      kind: kind as GoldenKind,
      loss: Number(loss),
      ...(grad && { gradient: denseGradient(grad, read(grad), n, V, allowed) }),
      ...(grad_hidden && { gradientHidden: Float64Array.from(read(grad_hidden)) }),
      ...(grad_weight && { gradientWeight: Float64Array.from(read(grad_weight)) }),
    }),
  );
  return {
    name: entry.name,
    rows: n,
    vocabSize: V,
    beamWidth: entry.K,
    temperature: entry.tau,
    xi: entry.xi,
    lambda: entry.lam,
    margin: entry.margin,
    logits,
    ...(linear && { linear }),
    targets: Int32Array.from(read(inputs.labels)),
    ...(allowed && { allowed }),
    expected,
    ...(entry.rows && {
      rowValues: {
        logp: Float64Array.from(read(entry.rows.row_logp)),
        logBeta: Float64Array.from(read(entry.rows.row_logbeta)),
        sigma: Float64Array.from(read(entry.rows.row_sigma)),
        weight: Float64Array.from(read(entry.rows.row_weight)),
        thresholdToken: Int32Array.from(read(entry.rows.threshold_index)),
      },
    }),
  };
}

function readLinear(inputs: ManifestCase['inputs'], read: (array: ArrayReference) => TypedArray): GoldenCase['linear'] {
  if (inputs.hidden === undefined || inputs.weight === undefined) return undefined;
  return {
    hidden: Float64Array.from(read(inputs.hidden)),
    weight: Float64Array.from(read(inputs.weight)),
    width: inputs.hidden.shape[1] as number,
  };
}

function product({ hidden, weight, width }: NonNullable<GoldenCase['linear']>, n: number, V: number): Float64Array {
  const logits = new Float64Array(n * V);
  for (let row = 0; row < n; ++row) {
    for (let token = 0; token < V; ++token) {
      let sum = 0;
      for (let k = 0; k < width; ++k)
        sum += (hidden[row * width + k] as number) * (weight[token * width + k] as number);
      logits[row * V + token] = sum;
    }
  }
  return logits;
}

function denseGradient(
  grad: GradientReference,
  values: TypedArray,
  n: number,
  V: number,
  allowed: GoldenCase['allowed'],
): Float64Array {
  if (grad.layout === 'dense' || allowed === undefined) return Float64Array.from(values);
  const dense = new Float64Array(n * V);
  for (let row = 0; row < n; ++row) {
    const [start, end] = [allowed.offsets[row] as number, allowed.offsets[row + 1] as number];
    for (let index = start; index < end; ++index) {
      dense[row * V + (allowed.tokens[index] as number)] = values[index] as number;
    }
  }
  return dense;
}

/** Each golden kind in this project's options. */
export function optionsOf(golden: GoldenCase, { kind }: GoldenExpectation) {
  const plain = { penalty: 'none', reduction: 'mean' } as const;
  const table = {
    lml: plain,
    msl: plain,
    bear: { penalty: 'reweight', reduction: 'weighted-mean' },
    paper_detached: { penalty: 'log-sigmoid', thresholdGradient: 'detach' },
    paper_flow: { penalty: 'log-sigmoid', thresholdGradient: 'flow' },
    hinge_detached: { penalty: 'hinge', thresholdGradient: 'detach' },
    hinge_flow: { penalty: 'hinge', thresholdGradient: 'flow' },
  } as const;
  const { beamWidth, temperature, xi, lambda, margin, allowed } = golden;
  return {
    beamWidth,
    temperature,
    xi,
    lambda,
    margin,
    ...(kind !== 'lml' && allowed ? { allowed } : {}),
    ...table[kind],
  } satisfies BearLossOptions & ReferenceOptions;
}

/** Cases whose logits themselves carry rounding errors of float32 that no kernel can undo. */
export const isExtreme = (golden: GoldenCase) => /^(extreme|offset)/.test(golden.name);

/** `define` of the cases in this repository, and of all of them if they lie beside it; says that they were skipped if not. */
export function describeGoldenVectors(define: (cases: readonly GoldenCase[]) => void): void {
  describe('the selection of golden vectors in this repository', () => {
    define(loadGoldenVectors(SELECTED_GOLDEN_FOLDER) as GoldenCase[]);
  });
  const all = loadGoldenVectors(FULL_GOLDEN_FOLDER);
  if (all === null) {
    const why = 'skipped: not beside this checkout; FUSED_BEAR_LOSS_SHARED names the folder above them';
    describe.skip(`all golden vectors (${why})`, () => {
      it('agree as those of the selection do', () => {});
    });
  } else {
    describe('all golden vectors', () => define(all));
  }
}
