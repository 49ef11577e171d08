import type { DType } from './dtype';
import { callOf, type LossCall } from './loss-call';
import { SeededRandom } from './random';

// Rows that a kernel treats each in its own way, by what becomes of logits from N(0, 3) and the target.
const ROW_KINDS: Record<string, (row: Float32Array, targets: Int32Array, index: number) => void> = {
  plain: () => {},
  ignored: (_, targets, index) => {
    targets[index] = -100;
  },
  'with NaN': (row) => {
    row[1234] = Number.NaN;
  },
  'without an allowed token': (row) => {
    row.fill(Number.NEGATIVE_INFINITY);
  },
  'beginning masked': (row, targets, index) => {
    row.fill(Number.NEGATIVE_INFINITY, 0, 1500);
    targets[index] = 2000;
  },
  'outgrowing its beginning': (row) => {
    row[1700] = 300;
  },
};

/** A row of every kind after a row of every kind, the last of all included. */
export function everyPairOfKinds(dtype: DType): LossCall {
  const random = new SeededRandom(17);
  const kinds = Object.keys(ROW_KINDS);
  const sequence = kinds.flatMap((first) => kinds.flatMap((second) => [first, second]));
  const targets = random.integers(sequence.length, 2111);
  const logits = sequence.map((kind, index) => {
    const row = random.normals(2111, 3);
    ROW_KINDS[kind]?.(row, targets, index);
    return row;
  });
  return callOf(logits, targets, { reduction: 'sum', thresholdGradient: 'flow' }, dtype);
}
