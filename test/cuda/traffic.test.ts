/**
 * How often each logit is read and each entry of the gradient is written. Counted are the bytes that the kernels'
 * instructions ask for; what reaches the memory, no emulator can say.
 */
import { type DeviceBearLossOptions, DeviceTensor, fusedBearLoss } from '../../lib/cuda/index';
import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { DTYPES, type DType, encode } from '../support/dtype';
import { useEmulator } from '../support/emulated-device';
import type { Traffic } from '../support/emulator';
import { SeededRandom } from '../support/random';

const { emulator, describe } = useEmulator('counts reads and writes');

// The emulated device takes its time, on a busy machine more.
jest.setTimeout(120_000);

interface Case {
  rows: number;
  vocabSize: number;
  dtype: DType;
  options?: DeviceBearLossOptions;
  /** Elements before the first logit, which then is not aligned to 16 bytes. */
  shift?: number;
  logitsOf?: (vocabSize: number) => Float32Array;
  /** Else random. */
  targets?: Int32Array;
}

/** Runs one call, and counts the accesses to its logits and to its gradient. */
async function trafficOf({ rows, vocabSize, dtype, options = {}, shift = 0, logitsOf, targets }: Case) {
  const random = new SeededRandom(vocabSize);
  const row = logitsOf ?? ((length: number) => random.normals(length, 3));
  const values = new Float32Array(shift + rows * vocabSize);
  for (let i = 0; i < rows; ++i) values.set(row(vocabSize), shift + i * vocabSize);
  const elements = encode(values, dtype);
  const bytesPerElement = elements.BYTES_PER_ELEMENT;
  using whole = DeviceTensor.fromHost(elements as Float32Array, [elements.length], dtype as 'float32');
  const pointer = whole.pointer + BigInt(shift * bytesPerElement);
  using logits = DeviceTensor.fromPointer(pointer, [rows, vocabSize], dtype as 'float32');
  emulator.configure({ countTraffic: true });
  emulator.clearTraffic();
  const result = fusedBearLoss(logits, targets ?? random.integers(rows, vocabSize), options);
  await result.read();
  const bytes = logits.byteLength;
  const found = { logits: emulator.traffic(pointer, bytes) as Traffic, gradient: undefined as Traffic | undefined };
  if (result.gradLogits) found.gradient = emulator.traffic(result.gradLogits.pointer, bytes);
  result.dispose();
  return { ...found, bytes };
}

/** Every byte as often as every other. */
const each = (bytes: number, reads: number, writes: number): Traffic => ({
  bytesRead: bytes * reads,
  bytesWritten: bytes * writes,
  fewestReads: reads,
  mostReads: reads,
  fewestWrites: writes,
  mostWrites: writes,
});

/**
 * Of rows without options: every byte `reads` times, and once more the groups of logits that have one of the largest. A
 * group is what a thread has of a tile, 64 bytes, or of several tiles, as there are 512 groups at least in long rows; in
 * rows of random order fewer than twice as many groups as the beam is wide.
 */
function expectPlainReads(found: Traffic, expected: PlainReads, bytes: number): void {
  const { rows, beamWidth = 10, reads = 1, keptBytes = 0 } = expected;
  const rowBytes = bytes / rows;
  const least = bytes * reads - rows * keptBytes;
  const again = Math.min(rowBytes, 2 * beamWidth * Math.max(64, rowBytes / 512));
  expect(found.bytesWritten).toBe(0);
  expect(found.bytesRead).toBeGreaterThanOrEqual(least);
  expect(found.bytesRead).toBeLessThanOrEqual(least + again * rows);
  expect(found.mostReads).toBeLessThanOrEqual(reads + 1);
  if (again < rowBytes) expect(found.fewestReads).toBe(keptBytes > 0 ? 1 : reads);
}

interface PlainReads {
  rows: number;
  beamWidth?: number;
  reads?: number;
  /** Of a row, at its beginning: read once, whatever `reads` is. */
  keptBytes?: number;
}

const forward = { gradient: false } as const;

type Shape = [string, Omit<Case, 'dtype'>];

describe.each(DTYPES)('%s: forward reads each logit once, and groups of the largest once more', (dtype) => {
  it.each<Shape>([
    ['short rows', { rows: 4, vocabSize: 4096 }],
    ['a vocabulary that ends within a vector', { rows: 5, vocabSize: 1003 }],
    ['rows that are not aligned', { rows: 3, vocabSize: 2048, shift: 1 }],
    ['fewer logits than threads', { rows: 3, vocabSize: 7 }],
    ['a long row', { rows: 1, vocabSize: 128_256 }],
    ['beam width 1', { rows: 2, vocabSize: 4096, options: { beamWidth: 1 } }],
    ['beam width 64', { rows: 2, vocabSize: 8192, options: { beamWidth: 64 } }],
    ['beam width 100', { rows: 2, vocabSize: 32_000, options: { beamWidth: 100 } }],
    ['no bound for a wide beam', { rows: 2, vocabSize: 700, options: { beamWidth: 256 } }],
  ])('%s', async (_, shape) => {
    const { logits, bytes } = await trafficOf({ dtype, ...shape, options: { ...shape.options, ...forward } });
    expectPlainReads(logits, { rows: shape.rows, beamWidth: shape.options?.beamWidth }, bytes);
  });
});

describe.each(DTYPES)('%s: forward of rows with options reads each logit once', (dtype) => {
  it.each<Shape>([
    ['radix selection, with the row on chip', { rows: 2, vocabSize: 4096, options: { beamWidth: 1000 } }],
    ['softcap and label smoothing', { rows: 2, vocabSize: 999, options: { softcap: 30, labelSmoothing: 0.1 } }],
  ])('%s', async (_, shape) => {
    const { logits, bytes } = await trafficOf({ dtype, ...shape, options: { ...shape.options, ...forward } });
    expect(logits).toEqual(each(bytes, 1, 0));
  });
});

// Of the geometries that rows have: 64, 128 and 256 threads, a tile and a few vectors, many tiles.
const vocabSizes = [700, 1100, 2001, 4096, 8192, 32_000, 128_256];
const beamWidths = [64, 128, 200, 256];
const shapes = vocabSizes.flatMap((vocabSize) => beamWidths.map((beamWidth) => ({ vocabSize, beamWidth })));

describe.each(DTYPES)('%s: forward reads each random logit once, however wide the beam of the queue', (dtype) => {
  it.each(shapes)('V = $vocabSize, B = $beamWidth', async ({ vocabSize, beamWidth }) => {
    emulator.configure({ detect: false });
    // Smoothing makes it a row with options.
    const options = { ...forward, beamWidth, labelSmoothing: 0.1 };
    const { logits, bytes } = await trafficOf({ dtype, rows: 1, vocabSize, options });
    expect(logits).toEqual(each(bytes, 1, 0));
  });

  it.each(shapes)('without options, V = $vocabSize, B = $beamWidth: but for groups of the largest', async (shape) => {
    const { vocabSize, beamWidth } = shape;
    emulator.configure({ detect: false });
    const { logits, bytes } = await trafficOf({ dtype, rows: 1, vocabSize, options: { ...forward, beamWidth } });
    expectPlainReads(logits, { rows: 1, beamWidth }, bytes);
  });

  it.each([2, 10, 33])('where each token in %i is allowed', async (step) => {
    const vocabSize = 64_000;
    const random = new SeededRandom(step);
    const tokens = Array.from({ length: vocabSize }, (_, token) => token).filter(() => random.chance(1 / step));
    emulator.configure({ detect: false });
    const options = { ...forward, beamWidth: 256, allowed: bitmaskOf([tokens], vocabSize) };
    const targets = Int32Array.of(tokens[0] as number);
    const { logits, bytes } = await trafficOf({ dtype, rows: 1, vocabSize, options, targets });
    expect(logits).toEqual(each(bytes, 1, 0));
  });
});

describe.each(DTYPES)('%s: with the row on chip, forward and gradient read and write each logit once', (dtype) => {
  it.each<Shape>([
    ['short rows', { rows: 4, vocabSize: 4096 }],
    ['a vocabulary that ends within a vector', { rows: 5, vocabSize: 1003 }],
    ['rows that are not aligned', { rows: 3, vocabSize: 2048, shift: 1 }],
    ['a row of 15 000', { rows: 1, vocabSize: 15_000 }],
    ['a beam of 64', { rows: 2, vocabSize: 8192, options: { beamWidth: 64 } }],
    ['flow', { rows: 3, vocabSize: 4096, options: { thresholdGradient: 'flow' } }],
    ['radix selection', { rows: 2, vocabSize: 4096, options: { beamWidth: 1000 } }],
    ['rows of ascending logits, which defeat the queue', { rows: 2, vocabSize: 8192, logitsOf: ascending }],
  ])('%s', async (_, shape) => {
    const { logits, gradient, bytes } = await trafficOf({ dtype, ...shape });
    expect(logits).toEqual(each(bytes, 1, 0));
    expect(gradient).toEqual(each(bytes, 0, 1));
  });

  it('in place', async () => {
    const { logits, bytes } = await trafficOf({ dtype, rows: 3, vocabSize: 3000, options: { gradient: 'in-place' } });
    expect(logits).toEqual(each(bytes, 1, 1));
  });
});

function ascending(length: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => index / length);
}

describe('variants that state a count of their own', () => {
  const tooLong = 128_256;

  // Of the emulated device, an H100: four tiles of 256 threads, 64 bytes each.
  const keptBytes = 4 * 256 * 64;

  it.each(DTYPES)(
    '%s: of a row too long to be kept the rest is read twice, its gradient written once',
    async (dtype) => {
      const { logits, gradient, bytes } = await trafficOf({ dtype, rows: 1, vocabSize: tooLong });
      expectPlainReads(logits, { rows: 1, reads: 2, keptBytes }, bytes);
      expect(gradient).toEqual(each(bytes, 0, 1));
    },
  );

  it.each(DTYPES)('%s: where it is not aligned, all of it', async (dtype) => {
    const { logits, gradient, bytes } = await trafficOf({ dtype, rows: 1, vocabSize: tooLong, shift: 1 });
    expectPlainReads(logits, { rows: 1, reads: 2 }, bytes);
    expect(gradient).toEqual(each(bytes, 0, 1));
  });

  it('and with options', async () => {
    const options = { labelSmoothing: 0.1 };
    const { logits, gradient, bytes } = await trafficOf({ dtype: 'float32', rows: 1, vocabSize: tooLong, options });
    expect(logits).toEqual(each(bytes, 2, 0));
    expect(gradient).toEqual(each(bytes, 0, 1));
  });

  it('ascending logits without options: those of some neighbouring groups again', async () => {
    const shape = { dtype: 'float32', rows: 1, vocabSize: 30_000, options: forward } as const;
    const { logits, bytes } = await trafficOf({ ...shape, logitsOf: ascending });
    expect(logits).toMatchObject({ fewestReads: 1, mostReads: 2 });
    expect(logits.bytesRead).toBeLessThan(bytes * 1.1);
  });

  // One for each digit of an ordered key, after the sweep.
  const radixRounds = 4;

  it('forward alone, where the queue overflows: once more for each round of radix selection', async () => {
    const options = { ...forward, beamWidth: 256 };
    const { logits, bytes } = await trafficOf({
      dtype: 'float32',
      rows: 2,
      vocabSize: 4096,
      options,
      logitsOf: ascending,
    });
    expect(logits).toEqual(each(bytes, 1 + radixRounds, 0));
  });

  const ofFewLanes = (length: number) =>
    new SeededRandom(1).normals(length, 3).map((logit, token) => (token % 256 < 16 ? logit : Number.NEGATIVE_INFINITY));
  it.each<[string, (length: number) => Float32Array]>([
    ['few groups of threads have all the logits', ofFewLanes],
    ['logits descend, so that whole warps have only small ones', (length) => ascending(length).reverse()],
  ])('forward without options, where %s: the same, and candidates once for the queue', async (_, logitsOf) => {
    const shape = { dtype: 'float32', rows: 1, vocabSize: 30_000, options: forward } as const;
    const { logits } = await trafficOf({ ...shape, logitsOf });
    expect(logits).toMatchObject({ fewestReads: 1 + radixRounds, mostReads: 2 + radixRounds });
  });

  it('the weighted mean with a gradient reads twice: the divisor is known after all rows', async () => {
    const options = { reduction: 'weighted-mean' } as const;
    const { logits, gradient, bytes } = await trafficOf({ dtype: 'bfloat16', rows: 4, vocabSize: 1000, options });
    expectPlainReads(logits, { rows: 4, reads: 2 }, bytes);
    expect(gradient).toEqual(each(bytes, 0, 1));
  });

  it('ranks cost one more read of the target by each thread', async () => {
    const options = { ...forward, rows: true };
    const vocabSize = 4096;
    const { logits, bytes } = await trafficOf({ dtype: 'float32', rows: 1, vocabSize, options });
    expect(logits.fewestReads).toBe(1);
    expect(logits.bytesRead - bytes).toBeLessThanOrEqual(512 * Float32Array.BYTES_PER_ELEMENT);
  });
});

describe('lists of allowed tokens', () => {
  const vocabSize = 5000;
  const lists = [[3, 17, 2048, 4999], [0]];
  const allowed = csrOf(lists);
  const targets = Int32Array.of(17, 0);

  async function listedTraffic(gradient: boolean | 'in-place-sparse') {
    const random = new SeededRandom(1);
    using logits = DeviceTensor.fromHost(random.normals(2 * vocabSize, 2), [2, vocabSize]);
    emulator.configure({ countTraffic: true });
    emulator.clearTraffic();
    const result = fusedBearLoss(logits, targets, { allowed, gradient });
    await result.read();
    const at = (tensor: DeviceTensor, row: number, token: number) =>
      emulator.traffic(tensor.pointer + BigInt((row * vocabSize + token) * 4), 4) as Traffic;
    const ofRow = (tensor: DeviceTensor, row: number) => {
      const counts = { reads: 0, writes: 0, mostReads: 0, mostWrites: 0 };
      for (let token = 0; token < vocabSize; ++token) {
        const { mostReads, mostWrites } = at(tensor, row, token);
        counts.reads += Math.min(mostReads, 1);
        counts.writes += Math.min(mostWrites, 1);
        counts.mostReads = Math.max(counts.mostReads, mostReads);
        counts.mostWrites = Math.max(counts.mostWrites, mostWrites);
      }
      return counts;
    };
    const found = {
      logits: lists.map((_, row) => ofRow(logits, row)),
      gradient: result.gradLogits && lists.map((_, row) => ofRow(result.gradLogits as DeviceTensor, row)),
    };
    result.dispose();
    return found;
  }

  it('their logits alone are read, once', async () => {
    const { logits } = await listedTraffic(false);
    expect(logits).toEqual(lists.map(({ length }) => ({ reads: length, writes: 0, mostReads: 1, mostWrites: 0 })));
  });

  it('a dense gradient is written everywhere, and what is listed at most twice', async () => {
    const { logits, gradient } = await listedTraffic(true);
    expect(logits.map((row) => row.reads)).toEqual(lists.map(({ length }) => length));
    for (const row of gradient ?? []) {
      expect(row.writes).toBe(vocabSize);
      expect(row.mostWrites).toBeLessThanOrEqual(2);
    }
  });

  it('a sparse gradient in place writes what is listed, and nothing else', async () => {
    const { logits } = await listedTraffic('in-place-sparse');
    expect(logits).toEqual(lists.map(({ length }) => ({ reads: length, writes: length, mostReads: 1, mostWrites: 1 })));
  });
});
