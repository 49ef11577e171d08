/** fast-check arbitraries for whole calls of the loss: every option, dtype, layout, constraint and kind of logits. */
import * as fc from 'fast-check';
import type { BearLossOptions } from '../../lib/index';
import { bitmaskOf, csrOf } from './allowed-tokens';
import { allocate, DTYPES, type DType, encode } from './dtype';
import type { LossCall } from './loss-call';
import { SeededRandom } from './random';

/** What fast-check shrinks: a short description. The numbers come from its seed. */
export interface ProblemShape {
  seed: number;
  rows: number;
  vocabSize: number;
  padding: number;
  startOffset: number;
  dtype: DType;
  logits: LogitKind;
  constraint: 'none' | 'csr' | 'bitmask';
  ignored: number;
  beamWidth: number;
  weights: boolean;
  penaltyWeights: boolean;
  rowUpstream: boolean;
  normalizer: number | undefined;
  options: BearLossOptions;
}

const LOGIT_KINDS = [
  'normal',
  'ties',
  'two values',
  'ascending',
  'descending',
  'holes',
  'signed zeros',
  'offset',
] as const;
type LogitKind = (typeof LOGIT_KINDS)[number];

const vocabSizes = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 200 }) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 1500 }) },
);

export const problemShapes: fc.Arbitrary<ProblemShape> = fc
  .record({
    seed: fc.nat(),
    rows: fc.integer({ min: 0, max: 7 }),
    vocabSize: vocabSizes,
    padding: fc.constantFrom(0, 0, 1, 2, 7, 13),
    startOffset: fc.constantFrom(0, 0, 1, 3, 5),
    dtype: fc.constantFrom(...DTYPES),
    logits: fc.constantFrom(...LOGIT_KINDS),
    constraint: fc.constantFrom('none', 'csr', 'bitmask'),
    ignored: fc.constantFrom(0, 0, 0.3),
    weights: fc.boolean(),
    penaltyWeights: fc.boolean(),
    rowUpstream: fc.boolean(),
    normalizer: fc.option(fc.constantFrom(1, 12.5), { nil: undefined }),
    options: fc.record({
      penalty: fc.constantFrom('hinge', 'softplus', 'log-sigmoid', 'sigmoid', 'reweight', 'none'),
      thresholdGradient: fc.constantFrom('detach', 'flow'),
      reduction: fc.constantFrom('mean', 'sum', 'none', 'weighted-mean'),
      lambda: fc.constantFrom(0.25, 0, 1, 5),
      xi: fc.constantFrom(1, 0.3, 2.75),
      margin: fc.constantFrom(0, 0.5, -0.25),
      temperature: fc.constantFrom(1, 0.7, 2),
      softcap: fc.option(fc.constantFrom(30, 4), { nil: undefined }),
      labelSmoothing: fc.constantFrom(0, 0, 0.1),
      zLoss: fc.constantFrom(0, 0, 1e-3),
      gradOutput: fc.constantFrom(1, -2.5),
    }),
  })
  .chain((shape) =>
    fc
      .oneof(fc.constantFrom(1, 10, shape.vocabSize), fc.integer({ min: 1, max: shape.vocabSize + 3 }))
      .map((beamWidth) => ({ ...shape, beamWidth }) as ProblemShape),
  );

/** The call that a shape describes. */
export function problemOf(shape: ProblemShape): LossCall {
  const { rows, vocabSize, dtype } = shape;
  const random = new SeededRandom(shape.seed);
  const rowStride = vocabSize + shape.padding;
  const used = rows === 0 ? 0 : (rows - 1) * rowStride + vocabSize;
  // NaN in the padding: a kernel that reads it cannot hide it.
  const storage = allocate(shape.startOffset + used, dtype).fill(encode([NaN], dtype)[0] as number);
  const logits = storage.subarray(shape.startOffset);

  const permitted = Array.from({ length: rows }, () => drawPermitted(shape, random));
  const targets = new Int32Array(rows);
  for (let row = 0; row < rows; ++row) {
    const tokens = permitted[row] as number[];
    const values = drawLogits(shape.logits, vocabSize, random);
    const target = tokens[random.integer(tokens.length)] as number;
    if (values[target] === -Infinity) values[target] = 0;
    logits.set(encode(values, dtype), row * rowStride);
    targets[row] = random.chance(shape.ignored) ? -100 : target;
  }
  return { logits, dtype, rows, vocabSize, rowStride, targets, options: optionsOf(shape, permitted, random) };
}

function optionsOf(shape: ProblemShape, permitted: number[][], random: SeededRandom): BearLossOptions {
  const { rows, vocabSize } = shape;
  const { reduction } = shape.options;
  const positive = () => Float32Array.from({ length: rows }, () => 2 * random.uniform());
  return {
    ...shape.options,
    beamWidth: shape.beamWidth,
    ...(shape.constraint === 'csr' && { allowed: csrOf(permitted) }),
    ...(shape.constraint === 'bitmask' && { allowed: bitmaskOf(permitted, vocabSize, 1) }),
    ...(shape.weights && { tokenWeights: positive() }),
    ...(shape.penaltyWeights && { penaltyWeights: positive() }),
    ...(shape.rowUpstream && reduction === 'none' && { gradOutput: random.normals(rows) }),
    ...(shape.normalizer !== undefined && reduction === 'mean' && { normalizer: shape.normalizer }),
  };
}

function drawPermitted({ constraint, vocabSize }: ProblemShape, random: SeededRandom): number[] {
  if (constraint === 'none') return Array.from({ length: vocabSize }, (_, token) => token);
  // Trie nodes mostly have few children, now and then many.
  const count = random.chance(0.2) ? 1 : 1 + random.integer(random.chance(0.5) ? vocabSize : Math.min(vocabSize, 6));
  return random.sample(count, vocabSize);
}

function drawLogits(kind: LogitKind, vocabSize: number, random: SeededRandom): Float32Array {
  const normals = random.normals(vocabSize, 3);
  switch (kind) {
    case 'normal':
      return normals;
    case 'ties':
      return normals.map((z) => Math.round(z));
    case 'two values':
      return normals.map((z) => (z > 2 ? 1.5 : -0.5));
    case 'ascending':
      return normals.sort();
    case 'descending':
      return normals.sort().reverse();
    case 'holes':
      return normals.map((z) => (random.chance(0.4) ? -Infinity : z));
    case 'signed zeros':
      return normals.map((z) => (z > 3 ? 1 : random.chance(0.5) ? 0 : -0));
    case 'offset':
      // Eighths, so that the offset moves them without rounding, in bfloat16 up to 16.
      return normals.map((z) => 8 + Math.round(8 * Math.max(-7, Math.min(7, z))) / 8);
  }
}
