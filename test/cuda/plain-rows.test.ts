/**
 * Rows without options have kernels of their own. Whoever asks for ranks is given those with all options: what both say
 * is the same bit for bit, wherever the row lies and whether it is kept.
 */
import { DeviceTensor, fusedBearLoss } from '../../lib/cuda/index';
import type { BearLossOptions } from '../../lib/index';
import { bytesOf, DTYPES, encode } from '../support/dtype';
import { useDevice } from '../support/emulated-device';
import { callOf, fingerprint, runBackend } from '../support/loss-call';
import { SeededRandom } from '../support/random';

const device = useDevice();

// The emulated device takes its time, on a busy machine more.
jest.setTimeout(120_000);

const shapes: [string, (length: number, random: SeededRandom) => ArrayLike<number>][] = [
  ['random', (length, random) => random.normals(length, 3)],
  ['far from 0', (length, random) => random.normals(length, 3).map((logit) => logit * 200 - 30_000)],
  ['ascending', (length) => Float32Array.from({ length }, (_, token) => token / 64 - 3)],
  ['descending', (length) => Float32Array.from({ length }, (_, token) => 3 - token / 64)],
  ['all equal', (length) => new Float32Array(length).fill(1.5)],
  // Fewer groups of threads have logits than the beam is wide: all of these are candidates.
  [
    'of a few lanes',
    (length, random) => random.normals(length, 3).map((x, token) => (token % 256 < 16 ? x : -Infinity)),
  ],
  ['masked until late', (length, random) => random.normals(length, 3).map((x, i) => (i < length - 50 ? -Infinity : x))],
  ['with a NaN', (length, random) => random.normals(length, 3).fill(Number.NaN, length - 1)],
];

const options: [string, BearLossOptions][] = [
  ['the gradient', {}],
  ['no gradient', { gradient: false }],
  ['a weighted mean', { penalty: 'reweight', reduction: 'weighted-mean' }],
];

describe.each(DTYPES)('%s', (dtype) => {
  it.each(shapes.flatMap(([shape, rowOf]) => options.map(([name, option]) => [shape, name, rowOf, option] as const)))(
    'rows that are %s, %s: the same with and without statistics',
    (_shape, _name, rowOf, option) => {
      // Short and long tiles, whole and partial ones, and rows that are not aligned.
      for (const vocabSize of [5, 1024, 1031, 2600, 9000]) {
        const random = new SeededRandom(vocabSize);
        const rows = [0, 1, 2].map(() => rowOf(vocabSize, random));
        const call = callOf(rows, [0, vocabSize >> 1, vocabSize - 1], option, dtype);
        for (const seed of [0, 1]) {
          device.configure({ seed });
          const { loss, gradLogits, counts } = fingerprint(runBackend(call, { rows: true }));
          expect(fingerprint(runBackend(call, { rows: false }))).toEqual({
            loss,
            ...(gradLogits === undefined ? {} : { gradLogits }),
            counts,
          });
        }
      }
    },
  );
});

// On both sides of 16, up to which a bound comes from 32 groups of threads. Rows of 35 000 are not kept as a whole, and a group of
// their logits is of several tiles.
describe.each(DTYPES)('%s', (dtype) => {
  it.each([16, 17, 100].flatMap((beamWidth) => shapes.map(([shape, rowOf]) => ({ beamWidth, shape, rowOf }))))(
    'B = $beamWidth, rows that are $shape: the same with and without statistics',
    ({ beamWidth, rowOf }) => {
      for (const vocabSize of [1031, 9001, 35_000]) {
        const row = rowOf(vocabSize, new SeededRandom(vocabSize));
        device.configure({ detect: vocabSize < 35_000 });
        const call = callOf([row], [vocabSize - 1], { beamWidth }, dtype);
        const { loss, gradLogits, counts } = fingerprint(runBackend(call, { rows: true }));
        expect(fingerprint(runBackend(call, { rows: false }))).toEqual({ loss, gradLogits, counts });
      }
    },
  );
});

// Rows that the queue has places for need no bound, and so are plain whatever the beam.
describe.each(DTYPES)('%s', (dtype) => {
  it.each([256, 257, 300, 1000])(
    'B = %i, of rows that fit the queue: the same with and without statistics',
    (beamWidth) => {
      for (const vocabSize of [300, 1024]) {
        const random = new SeededRandom(vocabSize);
        const rows = [0, 1].map(() => random.normals(vocabSize, 3));
        const call = callOf(rows, [0, vocabSize - 1], { beamWidth }, dtype);
        const { loss, gradLogits, counts } = fingerprint(runBackend(call, { rows: true }));
        expect(fingerprint(runBackend(call, { rows: false }))).toEqual({ loss, gradLogits, counts });
      }
    },
  );
});

it.each([9000, 70_000])('V = %i: a loss is the same with and without its gradient', (vocabSize) => {
  const random = new SeededRandom(1);
  const call = callOf([random.normals(vocabSize, 3)], [vocabSize - 1], {}, 'float32');
  const { loss } = fingerprint(runBackend(call, { rows: false }));
  expect(fingerprint(runBackend(call, { rows: false, gradient: false })).loss).toBe(loss);
});

describe.each(DTYPES)('%s', (dtype) => {
  it.each([5, 1031, 2600, 9000, 70_000])(
    'V = %i: a row that is not aligned gives what an aligned one does',
    async (length) => {
      const row = encode(new SeededRandom(length).normals(length, 3), dtype);
      const width = row.BYTES_PER_ELEMENT;

      async function outcome(target: number, shift: number, gradient: 'in-place' | false) {
        const memory = encode(new Float32Array(shift + length + 3), dtype);
        memory.set(row, shift);
        using whole = DeviceTensor.fromHost(memory as Float32Array, [memory.length], dtype as 'float32');
        const pointer = whole.pointer + BigInt(shift * width);
        using logits = DeviceTensor.fromPointer(pointer, [1, length], dtype as 'float32');
        const result = fusedBearLoss(logits, Int32Array.of(target), { gradient });
        const { loss } = await result.read();
        const after = whole.toHost() as typeof memory;
        result.dispose();
        const outside = [...after.subarray(0, shift), ...after.subarray(shift + length)];
        expect(outside).toEqual(outside.map(() => 0));
        return { loss, after: bytesOf(after.subarray(shift, shift + length)).toString('base64') };
      }

      for (const gradient of ['in-place', false] as const) {
        for (const target of [0, length >> 1, length - 1]) {
          const aligned = await outcome(target, 0, gradient);
          expect(await outcome(target, 1, gradient)).toEqual(aligned);
          expect(await outcome(target, 16 / width - 1, gradient)).toEqual(aligned);
        }
      }
    },
  );
});
