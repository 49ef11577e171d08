/**
 * The threshold logit, the rank and "pruned" are decided on the raw logits and must equal the reference's exactly.
 *
 * With temperature 1, rows.margin is the threshold logit minus the target logit, rounded once to float32: where the target
 * logit is 0 it is the selected logit itself.
 */
import { describeContract } from '../support/backend-under-test';
import { DTYPES, type DType } from '../support/dtype';
import { callOf, gradientRow, type LossCall, rowsOf, runBackend, runReference } from '../support/loss-call';
import { SeededRandom } from '../support/random';

type Row = { name: string; logits: (length: number, random: SeededRandom) => ArrayLike<number> };

const ROWS: readonly Row[] = [
  { name: 'normal', logits: (length, random) => random.normals(length, 3) },
  { name: 'ascending', logits: (length) => Float32Array.from({ length }, (_, j) => j / 64 - 8) },
  { name: 'descending', logits: (length) => Float32Array.from({ length }, (_, j) => 8 - j / 64) },
  { name: 'constant', logits: (length) => new Float32Array(length).fill(1.25) },
  {
    name: 'two values',
    logits: (length, random) => Float32Array.from({ length }, () => (random.chance(0.1) ? 2 : -2)),
  },
  { name: 'many ties', logits: (length, random) => random.normals(length, 2).map(Math.round) },
  { name: 'up and down', logits: (length) => Float32Array.from({ length }, (_, j) => -Math.abs(j - length / 2) / 32) },
  { name: 'saw', logits: (length) => Float32Array.from({ length }, (_, j) => (j % 17) / 4) },
  {
    name: 'mostly minus infinity',
    logits: (length, random) => random.normals(length).map((z) => (random.chance(0.97) ? -Infinity : z)),
  },
  { name: 'all negative and large', logits: (length, random) => random.normals(length, 3000, -20000) },
  {
    name: 'zeros of both signs',
    logits: (length, random) => Float32Array.from({ length }, () => (random.chance(0.5) ? 0 : -0)),
  },
];

function expectExactSelection(call: LossCall) {
  const result = runBackend(call, { gradient: false });
  const reference = runReference(call);
  const rows = rowsOf(call);
  const targetLogit = (row: number) => rows[row]?.[call.targets[row] as number] as number;
  const margin = (logit: number, row: number) => Math.fround(logit - targetLogit(row)) + 0;
  const { beamWidth } = call.options ?? {};
  expect({
    beamWidth,
    margin: Array.from(result.rows?.margin ?? [], (value) => value + 0),
    rank: Array.from(result.rows?.rank ?? []),
    prunedRate: result.prunedRate,
    accuracy: result.accuracy,
  }).toEqual({
    beamWidth,
    margin: Array.from(reference.rows.thresholdLogit, margin),
    rank: Array.from(reference.rows.rank),
    prunedRate: reference.prunedRate,
    accuracy: reference.accuracy,
  });
}

describeContract('the threshold, the rank and pruned, exactly', () => {
  const LENGTH = 2999;
  const WIDTHS = [
    1, 2, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 511, 512, 513,
  ];
  const WIDE = [1023, 1024, 1025, 2048, LENGTH - 1, LENGTH, LENGTH + 1, 10 * LENGTH];

  describe.each(DTYPES)('%s', (dtype) => {
    it.each(ROWS)('of a row that is $name, at every beam width', ({ logits }) => {
      const random = new SeededRandom(5);
      const row = Float32Array.from(logits(LENGTH, random));
      // A target of 0 makes the margin the selected logit; a target drawn from the row is at home in its order.
      const zeroTarget = row.slice();
      zeroTarget[LENGTH - 3] = 0;
      const finite = row.findIndex((z) => z > -Infinity);
      for (const beamWidth of [...WIDTHS, ...WIDE]) {
        expectExactSelection(callOf([zeroTarget, row], [LENGTH - 3, finite], { beamWidth }, dtype));
      }
    });
  });

  // Long enough for chunks in which more than half of the blocks have a logit above all before them.
  const RISES: readonly Row[] = [
    { name: 'rises', logits: (length) => Float32Array.from({ length }, (_, j) => j / 1024 - 8) },
    {
      name: 'rises in steps',
      logits: (length) => Float32Array.from({ length }, (_, j) => Math.floor(j / 100) / 8 - 8),
    },
    {
      name: 'rises from chunk to chunk',
      logits: (length, random) => random.normals(length).map((z, j) => z + j / 256),
    },
    { name: 'outgrows its beginning', logits: (length) => Float32Array.from({ length }, (_, j) => (j * j) / 1e6) },
    { name: 'jumps once', logits: (length) => Float32Array.from({ length }, (_, j) => (j < 5000 ? -3 : 2)) },
  ];
  const LONG = 14000;

  it.each(RISES)('of a long row that $name', ({ logits }) => {
    const row = Float32Array.from(logits(LONG, new SeededRandom(6)));
    for (const dtype of ['float32', 'bfloat16'] as const) {
      for (const beamWidth of [1, 2, 10, 16, 17, 63, 64, 65, 256, 1024]) {
        const targets = [0, 1500, 9000, LONG - 70, LONG - 1];
        expectExactSelection(
          callOf(
            targets.map(() => row),
            targets,
            { beamWidth },
            dtype,
          ),
        );
      }
    }
  });

  it.each([1, 2, 3, 31, 32, 33])('of a vocabulary of %i, at every beam width up to one above', (vocabSize) => {
    const random = new SeededRandom(vocabSize);
    for (let beamWidth = 1; beamWidth <= vocabSize + 1; ++beamWidth) {
      const rows = Array.from({ length: 4 }, () => random.normals(vocabSize).map((z) => Math.round(2 * z) / 2));
      const targets = rows.map(() => random.integer(vocabSize));
      expectExactSelection(callOf(rows, targets, { beamWidth }));
    }
  });

  it.each([
    ['1', () => 1],
    ['|A| - 1', (count: number) => count - 1],
    ['|A|', (count: number) => count],
    ['|A| + 1', (count: number) => count + 1],
    ['V', (_: number, vocabSize: number) => vocabSize],
  ] as const)('under a constraint, with B = %s', (_, beamWidthOf) => {
    const random = new SeededRandom(9);
    const vocabSize = 700;
    for (const count of [2, 3, 16, 17, 64, 300]) {
      const tokens = random.sample(count, vocabSize);
      const allowed = { offsets: Int32Array.of(0, count), tokens: Int32Array.from(tokens) };
      const target = tokens[random.integer(count)] as number;
      const call = callOf([random.normals(vocabSize, 3)], [target], {
        allowed,
        beamWidth: beamWidthOf(count, vocabSize),
      });
      expectExactSelection(call);
    }
  });

  it('of a row whose beam is decided by numbers one unit apart', () => {
    const next = (value: number, units: number) => {
      const bits = new Uint32Array(Float32Array.of(value).buffer);
      bits[0] = (bits[0] as number) + units;
      return new Float32Array(bits.buffer)[0] as number;
    };
    const row = Float32Array.from({ length: 300 }, (_, j) => next(7, (j * 37) % 300));
    for (const beamWidth of [1, 2, 10, 149, 299]) expectExactSelection(callOf([row, row], [0, 123], { beamWidth }));
  });

  it('of numbers that only a subnormal apart', () => {
    const row = Float32Array.from({ length: 100 }, (_, j) => ((j * 7) % 100) * 2 ** -149);
    for (const beamWidth of [1, 10, 99]) expectExactSelection(callOf([row, row], [0, 60], { beamWidth }));
  });

  it('of the largest and smallest finite numbers', () => {
    const largest = 3.4028234663852886e38;
    const row = [largest, -largest, 0, 1e38, -1e38, 2 ** -149];
    for (const beamWidth of [1, 2, 3, 4, 5, 6]) expectExactSelection(callOf([row], [2], { beamWidth, temperature: 1 }));
  });
});

describeContract('a target at the threshold', () => {
  it('tied with the threshold is not pruned, whatever its place among the ties', () => {
    const row = [5, 3, 3, 3, 3, 1];
    for (const target of [1, 2, 3, 4]) {
      const { prunedRate, rows } = runBackend(callOf([row], [target], { beamWidth: 2 }));
      expect({ prunedRate, margin: rows?.margin[0], rank: rows?.rank[0] }).toEqual({
        prunedRate: 0,
        margin: 0,
        rank: 1,
      });
    }
  });

  it('that is the threshold gets no push from the hinge, and one unit below gets it', () => {
    const below = 3 - 2 ** -22;
    const kept = runBackend(callOf([[5, 3, 1, 0]], [1], { beamWidth: 2, reduction: 'sum' }));
    const pruned = runBackend(callOf([[5, below, 3, 0]], [1], { beamWidth: 2, reduction: 'sum' }));
    expect([kept.prunedRate, pruned.prunedRate]).toEqual([0, 1]);
    const reference = runReference(callOf([[5, below, 3, 0]], [1], { beamWidth: 2, reduction: 'sum' }));
    expect(pruned.gradLogits?.[1]).toBeCloseTo(reference.gradient[1] as number, 6);
  });
});

describeContract('the threshold token that the gradient flows through', () => {
  /** Which tokens other than the target the flow gradient singles out. */
  function flowToken(row: ArrayLike<number>, target: number, beamWidth: number, dtype: DType = 'float32'): number[] {
    const gradientOf = (thresholdGradient: 'flow' | 'detach', lambda: number) => {
      const options = { penalty: 'softplus', reduction: 'sum', lambda, beamWidth, thresholdGradient } as const;
      const result = runBackend(callOf([row], [target], options, dtype));
      return gradientRow(result.gradLogits as Float32Array, dtype, 0, row.length);
    };
    const [withPenalty, without] = [gradientOf('flow', 64), gradientOf('flow', 0)];
    return withPenalty.flatMap((entry, j) => (j !== target && entry - (without[j] as number) > 1 ? [j] : []));
  }

  it('is the lowest id that still fits, among ties', () => {
    const row = [1, 5, 3, 3, 3, 0, 3];
    expect([1, 2, 3, 4, 5, 6].map((beamWidth) => flowToken(row, 5, beamWidth)[0])).toEqual([1, 2, 3, 4, 6, 0]);
  });

  it.each(DTYPES)('is one token only, far out in a long row of ties (%s)', (dtype) => {
    const row = new Float32Array(9001).fill(0.5);
    row[9000] = -1;
    row[4500] = 2;
    for (const [beamWidth, token] of [
      [1, 4500],
      [2, 0],
      [5000, 4999],
      [4501, 4499],
      [4502, 4501],
      [9000, 8999],
    ] as const) {
      expect(flowToken(row, 9000, beamWidth, dtype)).toEqual([token]);
    }
  });

  it('takes +0 and -0 for the same number', () => {
    expect(flowToken([-1, -0, 0, -0, 0], 0, 1)).toEqual([1]);
    expect(flowToken([-1, 0, -0, 0, -0], 0, 2)).toEqual([2]);
    expect(flowToken([-1, -0, 0, -0, 0], 0, 3)).toEqual([3]);
  });

  it('may be the target itself: then nothing flows', () => {
    expect(flowToken([1, 5, 3, 0], 2, 2)).toEqual([]);
  });

  it('is an allowed one', () => {
    const allowed = { offsets: Int32Array.of(0, 3), tokens: Int32Array.of(0, 3, 4) };
    const options = { penalty: 'hinge', lambda: 8, beamWidth: 1, thresholdGradient: 'flow', reduction: 'sum' } as const;
    const { gradLogits } = runBackend(callOf([[0, 3, 3, 2, 2]], [0], { ...options, allowed }));
    expect(gradLogits?.[3]).toBeGreaterThan(8);
    expect(gradLogits?.[4]).toBeLessThan(1);
    expect([gradLogits?.[1], gradLogits?.[2]]).toEqual([0, 0]);
  });
});
