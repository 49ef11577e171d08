/**
 * Calls along the border of what float32 holds: logits from the smallest number to the largest, and every option at the ends
 * of its range. Each group has the tolerance that docs/math.md ("Numbers") states for it.
 */
import type { BearLossOptions } from '../../lib/index';
import { DTYPES, type DType } from './dtype';
import { callOf, type LossCall } from './loss-call';
import { PENALTIES, THRESHOLD_GRADIENTS } from './option-lists';
import { SeededRandom } from './random';
import { ORDINARY, type Tolerance } from './tolerance';

export interface MagnitudeProblem {
  name: string;
  call: LossCall;
  tolerance: Tolerance;
}

export const LARGEST_LOGIT: Record<DType, number> = {
  float32: (2 - 2 ** -23) * 2 ** 127,
  float16: 65504,
  bfloat16: (2 - 2 ** -7) * 2 ** 127,
};
const MANTISSA_BITS: Record<DType, number> = { float32: 23, float16: 10, bfloat16: 7 };

const TEMPERATURES = [1e-36, 1e-20, 0.1, 1, 7, 1e20, 1e36];
const VOCAB_SIZE = 70;

const kinds = {
  equal: (size: number) => Array<number>(VOCAB_SIZE).fill(size),
  'a few units in the last place apart': (size: number, dtype: DType) =>
    Array.from({ length: VOCAB_SIZE }, (_, j) => size * (1 - (j % 5) * 2 ** -MANTISSA_BITS[dtype])),
  'of both signs, with ties': (size: number) =>
    Array.from({ length: VOCAB_SIZE }, (_, j) => [size, size, -size, 0, size / 2, 1][j % 6] as number),
  normal: (size: number, _: DType, random: SeededRandom) => Array.from(random.normals(VOCAB_SIZE, size)),
  'normal, with a common offset': (size: number, _: DType, random: SeededRandom) =>
    Array.from(random.normals(VOCAB_SIZE), (z) => size + z),
};

/** Three rows: the target among the largest, in the middle of the row, and both signs. */
function rowsOf(kind: keyof typeof kinds, size: number, dtype: DType, random: SeededRandom): number[][] {
  const most = LARGEST_LOGIT[dtype];
  return [1, 1, -1].map((sign) =>
    kinds[kind](sign * size, dtype, random).map((z) => Math.max(-most, Math.min(most, z))),
  );
}
const TARGETS = [0, 33, 3];

function sizesOf(dtype: DType): number[] {
  const most = LARGEST_LOGIT[dtype];
  const least = dtype === 'float16' ? 2 ** -24 : dtype === 'bfloat16' ? 2 ** -133 : 2 ** -149;
  const sizes = [1e-42, 1e-38, 1e-30, 1e-10, 1e-3, 1, 100, 1e4, 1e6, 1e10, 1e15, 1e20, 1e30, 1e37];
  return [least, ...sizes.filter((size) => size > least && size < most), most];
}

/**
 * Float32 has digits for 6e-8 of the capped logit, of which a difference of two keeps what is left; and for 6e-8 of the
 * exponent of its slope, which counts where all logits of a row lie many caps from 0.
 */
function capTolerance(softcap: number, temperature: number, caps = 0): Tolerance {
  const ratio = softcap / temperature;
  return { gradient: ORDINARY.gradient + 1e-7 * ratio + 2.4e-7 * caps, loss: ORDINARY.loss + 1e-7 * ratio };
}

/** Logits of every size, over every temperature, by turns with each of three settings. */
export function logitProblems(dtype: DType): MagnitudeProblem[] {
  const random = new SeededRandom(101);
  const settings: BearLossOptions[] = [
    { penalty: 'none' },
    { penalty: 'softplus', thresholdGradient: 'flow', beamWidth: 4 },
    { penalty: 'log-sigmoid', xi: 2.75, labelSmoothing: 0.1, beamWidth: 4 },
  ];
  const places = sizesOf(dtype).flatMap((size) =>
    (Object.keys(kinds) as (keyof typeof kinds)[]).flatMap((kind) =>
      TEMPERATURES.map((temperature) => ({ size, kind, temperature })),
    ),
  );
  // Kinds and temperatures are 5 and 7: every setting meets every pair of them.
  return places.map(({ size, kind, temperature }, index) => {
    const setting = settings[index % settings.length] as BearLossOptions;
    return {
      name: `${dtype} of ${size}, ${kind}, temperature ${temperature}, ${JSON.stringify(setting)}`,
      call: callOf(rowsOf(kind, size, dtype, random), TARGETS, { ...setting, temperature, reduction: 'sum' }, dtype),
      tolerance: ORDINARY,
    };
  });
}

/** Rows whose logits all lie beyond the cap, so that the gradient is as small as the slope there. */
export function saturatedProblems(): MagnitudeProblem[] {
  const random = new SeededRandom(104);
  return [1e-3, 1, 30, 1e10].flatMap((softcap) =>
    [1, 5, 10, 15, 20, 33, 40].flatMap((caps) =>
      [1, 1000].map((temperatures) => {
        const temperature = softcap * temperatures;
        const rows = [1, -1, 1].map((sign) =>
          Array.from(random.normals(VOCAB_SIZE, 0.01 * softcap), (z) => sign * caps * softcap + z),
        );
        return {
          name: `softcap ${softcap}, temperature ${temperature}, all logits near ${caps} caps`,
          call: callOf(rows, TARGETS, { softcap, temperature, reduction: 'sum' }),
          tolerance: capTolerance(softcap, temperature, caps),
        };
      }),
    ),
  );
}

/**
 * Rows whose target has all of the probability but e^-exponent, so that the gradient is as small as that: short ones, and
 * long ones that begin with far smaller logits, to which their exponentials might be relative.
 */
export function certainProblems(): MagnitudeProblem[] {
  const random = new SeededRandom(105);
  const settings: BearLossOptions[] = [
    { penalty: 'none' },
    { penalty: 'softplus', beamWidth: 1 },
    { penalty: 'reweight', xi: 0.05, thresholdGradient: 'flow', beamWidth: 4 },
  ];
  const long = 2200;
  const kinds = {
    short: (target: number, size: number, temperature: number) => {
      const row = Array.from(random.normals(VOCAB_SIZE, temperature));
      row[target] = Math.max(...row) + size;
      return { row, target };
    },
    long: (_: number, size: number) => {
      const row = Array<number>(long).fill(Number.NEGATIVE_INFINITY);
      return { row: Object.assign(row, { 7: -0.4 * size, 1500: 0, 1501: -0.1 * size, 1999: size }), target: 1999 };
    },
  };
  return [10, 25, 40, 55, 65, 80].flatMap((exponent) =>
    [1, 0.1, 1000].flatMap((temperature) =>
      [1, 1e-10].flatMap((gradOutput) =>
        settings.flatMap((setting) =>
          Object.entries(kinds).map(([kind, make]) => {
            const rows = TARGETS.map((target) => make(target, exponent * temperature, temperature));
            const options = { ...setting, temperature, gradOutput, reduction: 'sum' } as const;
            return {
              name: `${kind} rows, the target e^${exponent} times as probable, ${JSON.stringify(options)}`,
              call: callOf(
                rows.map(({ row }) => row),
                rows.map(({ target }) => target),
                options,
              ),
              tolerance: { ...ORDINARY, gradient: ORDINARY.gradient + 1.2e-7 * exponent },
            };
          }),
        ),
      ),
    ),
  );
}

/** The cap over its range, with logits below it, at it and far above it. */
export function softcapProblems(): MagnitudeProblem[] {
  const random = new SeededRandom(102);
  const pairs = [1e-36, 1e-20, 1, 30, 1e20, 1e36].flatMap((softcap) =>
    [1e-3, 1, 30, 1e3, 1e5]
      .map((ratio) => ({ softcap, temperature: softcap / ratio }))
      .filter(({ temperature }) => temperature >= 1e-36 && temperature <= 1e36),
  );
  return pairs.flatMap(({ softcap, temperature }) =>
    [1e-3, 0.5, 1, 4, 50].map((multiple) => {
      const rows = [1, 2, 3].map(() => Array.from(random.normals(VOCAB_SIZE, multiple * softcap)));
      const options = {
        softcap,
        temperature,
        penalty: 'softplus',
        thresholdGradient: 'flow',
        reduction: 'sum',
      } as const;
      return {
        name: `softcap ${softcap}, temperature ${temperature}, logits of ${multiple} caps`,
        call: callOf(rows, TARGETS, options),
        tolerance: capTolerance(softcap, temperature),
      };
    }),
  );
}

/** The other options at the ends of their ranges, one at a time, with ordinary logits. */
export function optionProblems(): MagnitudeProblem[] {
  const random = new SeededRandom(103);
  const rows = Array.from({ length: 3 }, () => Array.from(random.normals(VOCAB_SIZE, 3)));
  const ends: [string, BearLossOptions][] = [
    ...[1e-36, 1e-20, 1e20, 1e36].flatMap((size): [string, BearLossOptions][] => [
      [`xi ${size}`, { xi: size }],
      [`normalizer ${size}`, { normalizer: size, reduction: 'mean' }],
      [`zLoss ${size}`, { zLoss: size }],
      [`token weights of ${size}`, { tokenWeights: new Float32Array(3).fill(size) }],
    ]),
    ...[-1e36, -1e20, -1e-36, 1e-36, 1e20, 1e36].flatMap((size): [string, BearLossOptions][] => [
      [`lambda ${size}`, { lambda: size }],
      [`margin ${size}`, { margin: size }],
      [`gradOutput ${size}`, { gradOutput: size }],
      [`penalty weights of ${size}`, { penaltyWeights: new Float32Array(3).fill(size) }],
    ]),
  ];
  return ends.flatMap(([name, end]) =>
    PENALTIES.flatMap((penalty) =>
      THRESHOLD_GRADIENTS.map((thresholdGradient) => ({
        name: `${name}, ${penalty}, ${thresholdGradient}`,
        call: callOf(rows, TARGETS, { reduction: 'sum', penalty, thresholdGradient, beamWidth: 4, ...end }),
        tolerance: ORDINARY,
      })),
    ),
  );
}

/** Rows of three chunks of the sweep, where the reference of the exponentials is replaced on the way or is far below the best. */
export function longRowProblems(): MagnitudeProblem[] {
  const length = 2200;
  const rowOf: Record<string, (size: number) => Float32Array> = {
    equal: (size) => new Float32Array(length).fill(size),
    'rising to the end': (size) => Float32Array.from({ length }, (_, j) => (size * j) / length),
    'one high logit near the end': (size) => new Float32Array(length).fill(-size).fill(size, 1900, 1901),
    'a few high logits at the end': (size) => new Float32Array(length).fill(0).fill(size, 2190),
  };
  return Object.entries(rowOf).flatMap(([kind, make]) =>
    [30, 1e4, 1e20, LARGEST_LOGIT.float32].flatMap((size) =>
      [1e-30, 1].flatMap((gradOutput) =>
        [0, 0.1].map((labelSmoothing) => ({
          name: `${length} logits of ${size}, ${kind}, gradOutput ${gradOutput}, label smoothing ${labelSmoothing}`,
          call: callOf([make(size), make(size)], [0, 1900], { gradOutput, labelSmoothing, penalty: 'softplus' }),
          tolerance: ORDINARY,
        })),
      ),
    ),
  );
}

export function magnitudeProblems(): MagnitudeProblem[] {
  return [
    ...DTYPES.flatMap(logitProblems),
    ...softcapProblems(),
    ...saturatedProblems(),
    ...certainProblems(),
    ...optionProblems(),
    ...longRowProblems(),
  ];
}
