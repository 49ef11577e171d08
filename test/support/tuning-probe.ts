/**
 * Prints, as JSON, the bits of what the CPU backend answers to a fixed list of problems. Run as a process of its own, once per
 * tuning (FUSED_BEAR_LOSS_TUNING), because the choice is made once per process.
 */
import { createHash } from 'node:crypto';
import { type BearLossResult, capabilities, fusedBearLoss } from '../../lib/index';
import { bitmaskOf, csrOf } from './allowed-tokens';
import { bytesOf, DTYPES, encode } from './dtype';
import { runBackend } from './loss-call';
import { SeededRandom } from './random';
import { everyPairOfKinds } from './row-kinds';

export interface TuningAnswer {
  tuning: string;
  warnings: string[];
  results: { name: string; bits: string }[];
}

const shapes = [
  { rows: 90, vocabSize: 65 },
  { rows: 40, vocabSize: 1000 },
  { rows: 12, vocabSize: 9001 },
  { rows: 3, vocabSize: 66000 },
];
const constraints = ['none', 'list', 'bitmask'] as const;
const gradients = [false, true, 'in-place'] as const;

function allowedOf(constraint: (typeof constraints)[number], targets: Int32Array, vocabSize: number) {
  const permitted = Array.from(targets, (target) =>
    [...new Set([0, Math.max(0, target), Math.floor(vocabSize / 2), vocabSize - 1])].sort((a, b) => a - b),
  );
  return { none: undefined, list: csrOf(permitted), bitmask: bitmaskOf(permitted, vocabSize) }[constraint];
}

function bitsOf(result: BearLossResult): string {
  const { gradLogits, rows, ...numbers } = result;
  const hash = createHash('sha256').update(JSON.stringify(numbers));
  for (const array of [gradLogits, ...Object.values(rows ?? {})]) {
    if (array !== undefined) hash.update(bytesOf(array as ArrayBufferView));
  }
  return hash.digest('hex');
}

/** Rows whose gradients may be written during the sweep of a row of another kind. */
function answerOfKinds() {
  return DTYPES.flatMap((dtype) =>
    ([true, 'in-place'] as const).map((gradient) => ({
      name: `a row of every kind after a row of every kind, ${dtype}, ${gradient}`,
      bits: bitsOf(runBackend(everyPairOfKinds(dtype), { gradient, threads: 1 })),
    })),
  );
}

function answer(): TuningAnswer {
  const random = new SeededRandom(83);
  const results = shapes.flatMap(({ rows, vocabSize }) => {
    const targets = Int32Array.from({ length: rows }, () => random.integer(vocabSize));
    targets[1] = -100;
    const values = random.normals(rows * vocabSize, 3);
    return DTYPES.flatMap((dtype) => {
      const encoded = encode(values, dtype);
      return constraints.flatMap((constraint) =>
        gradients.flatMap((gradient) =>
          [1, 2].map((threads) => {
            const logits = encoded.slice();
            const allowed = allowedOf(constraint, targets, vocabSize);
            const options = { vocabSize, dtype, gradient, threads, allowed, thresholdGradient: 'flow' } as const;
            const name = `${rows} x ${vocabSize}, ${dtype}, ${constraint}, ${gradient}, ${threads} threads`;
            return { name, bits: bitsOf(fusedBearLoss(logits, targets, { ...options, rows: true })) };
          }),
        ),
      );
    });
  });
  const { tuning, warnings } = capabilities();
  return { tuning, warnings, results: [...results, ...answerOfKinds()] };
}

if (require.main === module) process.stdout.write(JSON.stringify(answer()));
