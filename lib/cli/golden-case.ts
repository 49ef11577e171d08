// A small problem whose results are known: what `doctor` compares an installation with.
import { fusedBearLoss } from '../index.js';

const VOCAB_SIZE = 301; // whole vectors of every instruction set, and a rest
const BEAM_WIDTH = 4;
const LAMBDA = 0.25;

/** Eighths, so that they are the same numbers everywhere. The first target is in the beam, two are not, the last row is ignored. */
export function goldenProblem() {
  const targets = Int32Array.of(30, 17, 140, -100);
  const logits = Float32Array.from(
    { length: targets.length * VOCAB_SIZE },
    (_, i) => ((i * 37 + Math.floor(i / VOCAB_SIZE) * 11) % 101) / 8 - 6,
  );
  return { logits, targets, options: { vocabSize: VOCAB_SIZE, beamWidth: BEAM_WIDTH, lambda: LAMBDA } };
}

/** Of the float64 reference of the tests, which recompute them (test/cli/golden-case.test.ts). */
export const GOLDEN = {
  losses: [3.2394601071248217, 9.301906247405704, 18.2086302794265, 0],
  thresholds: [-3.3644601071248217, -3.3644062474057037, -3.3648802794264987, 0],
  ranks: [0, 116, 287, -1],
  /** Of weigh(). */
  gradients: [1.021188424782137, 0.07634062394512328, 3.8051911561591454, 0],
};

/** One number of a row's gradient in which every entry counts. */
export function weigh(gradient: ArrayLike<number>): number {
  let sum = 0;
  for (let token = 0; token < gradient.length; token++) sum += (gradient[token] as number) * ((token % 7) - 3);
  return sum;
}

export function computeGolden(): typeof GOLDEN {
  const { logits, targets, options } = goldenProblem();
  const { loss, gradLogits, rows } = fusedBearLoss(logits, targets, { ...options, reduction: 'none', rows: true });
  if (gradLogits === undefined || rows === undefined) throw new Error('the call asks for a gradient and for rows');
  return {
    losses: Array.from(loss),
    thresholds: Array.from(rows.threshold),
    ranks: Array.from(rows.rank),
    gradients: Array.from(targets, (_, row) => weigh(gradLogits.subarray(row * VOCAB_SIZE, (row + 1) * VOCAB_SIZE))),
  };
}

/** Returns what is wrong, a line each: nothing on a sound installation. */
export function wrongNumbers(computed = computeGolden()): string[] {
  return (Object.keys(GOLDEN) as (keyof typeof GOLDEN)[]).flatMap((what) =>
    GOLDEN[what].flatMap((expected, row) => {
      const actual = computed[what][row] as number;
      const tolerance = what === 'ranks' ? 0 : 1e-5 * Math.max(1, Math.abs(expected));
      return Math.abs(actual - expected) <= tolerance ? [] : [`${what}[${row}] is ${actual}, not ${expected}`];
    }),
  );
}
