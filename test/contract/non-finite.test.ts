import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { describeContract } from '../support/backend-under-test';
import { DTYPES } from '../support/dtype';
import { callOf, definedGradient, expectAgreement, gradientRow, runBackend } from '../support/loss-call';
import { PENALTIES, REDUCTIONS } from '../support/option-lists';
import { SeededRandom } from '../support/random';

const VOCAB = 300;
/** Places that a vector loop, its tail and a scalar remainder handle differently. */
const PLACES = [0, 1, 15, 16, 31, 32, 150, 255, 256, 288, VOCAB - 2, VOCAB - 1];
const NEGATIVE_NAN = new Float32Array(Uint32Array.of(0xffc00000).buffer)[0] as number;

function rowWith(random: SeededRandom, entries: Record<number, number>): Float32Array {
  const row = random.normals(VOCAB, 2);
  for (const [token, value] of Object.entries(entries)) row[Number(token)] = value;
  return row;
}

describeContract('NaN and plus infinity', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it.each([
      ['NaN', NaN],
      ['NaN with its sign bit set', NEGATIVE_NAN],
      ['plus infinity', Infinity],
    ])('%s anywhere in a row makes that row NaN and no other', (_, bad) => {
      const random = new SeededRandom(1);
      for (const place of PLACES) {
        for (const target of [place, (place + 7) % VOCAB]) {
          const rows = [rowWith(random, {}), rowWith(random, { [place]: bad, 40: -Infinity }), rowWith(random, {})];
          const call = callOf(rows, [3, target === 40 ? 41 : target, 5], { reduction: 'none' }, dtype);
          const { result } = expectAgreement(call);
          expect(result.nonFiniteRows).toEqual([1]);
          const gradient = gradientRow(definedGradient(result), dtype, 1, VOCAB);
          expect(
            gradient.every((entry, token) => (token === 40 && place !== 40 ? entry === 0 : Number.isNaN(entry))),
          ).toBe(true);
        }
      }
    });
  });

  it.each(['mean', 'sum', 'weighted-mean'] as const)(
    'make the scalar loss of %s NaN and leave other gradients alone',
    (reduction) => {
      const random = new SeededRandom(2);
      const rows = [
        rowWith(random, {}),
        rowWith(random, { 100: NaN }),
        rowWith(random, { 7: Infinity }),
        rowWith(random, {}),
      ];
      for (const penalty of PENALTIES) {
        const { result } = expectAgreement(callOf(rows, [1, 2, 3, 4], { reduction, penalty, rows: true }));
        expect(result.loss).toBeNaN();
        expect(result.nonFiniteRows).toEqual([1, 2]);
        expect(result.countedRows).toBe(4);
        expect(gradientRow(definedGradient(result), 'float32', 3, VOCAB).every(Number.isFinite)).toBe(true);
      }
    },
  );

  it('together in one row are NaN too, also many of them', () => {
    const random = new SeededRandom(3);
    expectAgreement(
      callOf([rowWith(random, { 3: Infinity, 4: NaN, 200: Infinity }), new Float32Array(VOCAB).fill(NaN)], [5, 6]),
    );
    expectAgreement(callOf([new Float32Array(VOCAB).fill(Infinity)], [6]));
  });

  it('outside the constraint are not looked at', () => {
    const random = new SeededRandom(4);
    const rows = [
      rowWith(random, { 0: NaN, 17: Infinity, 299: NaN }),
      rowWith(random, { 31: NaN, 32: NaN, 33: Infinity }),
    ];
    const permitted = rows.map((row) => Array.from(row.keys()).filter((token) => Number.isFinite(row[token])));
    for (const allowed of [csrOf(permitted), bitmaskOf(permitted, VOCAB)]) {
      const { result } = expectAgreement(callOf(rows, [1, 2], { allowed }));
      expect(result.nonFiniteRows).toEqual([]);
    }
  });

  it('inside the constraint poison only the allowed tokens of the row', () => {
    const random = new SeededRandom(5);
    const rows = [rowWith(random, { 10: NaN, 20: -Infinity })];
    const permitted = [[2, 10, 20, 150]];
    for (const allowed of [csrOf(permitted), bitmaskOf(permitted, VOCAB)]) {
      const { result } = expectAgreement(callOf(rows, [2], { allowed }));
      const gradient = gradientRow(definedGradient(result), 'float32', 0, VOCAB);
      expect(gradient.flatMap((entry, token) => (Number.isNaN(entry) ? [token] : []))).toEqual([2, 10, 150]);
    }
  });

  it('in an ignored row mean nothing', () => {
    const random = new SeededRandom(6);
    const { result } = expectAgreement(callOf([rowWith(random, { 9: NaN }), rowWith(random, {})], [-100, 5]));
    expect(result.nonFiniteRows).toEqual([]);
  });

  it('in the only logit of a forced row are still seen', () => {
    for (const reduction of ['mean', 'weighted-mean'] as const) {
      const allowed = csrOf([[1], [0, 1, 2]]);
      const { result } = expectAgreement(
        callOf(
          [
            [0, NaN, 0],
            [1, 2, 3],
          ],
          [1, 1],
          { allowed, reduction },
        ),
      );
      expect(result.nonFiniteRows).toEqual([0]);
      expect(result.loss).toBeNaN();
    }
  });
});

describeContract('minus infinity', () => {
  it.each(DTYPES)('masks its token: probability 0 and a gradient of exactly 0 (%s)', (dtype) => {
    const random = new SeededRandom(7);
    const row = rowWith(random, { 0: -Infinity, 16: -Infinity, 299: -Infinity });
    for (const options of [{}, { labelSmoothing: 0.1 }, { thresholdGradient: 'flow', penalty: 'softplus' }] as const) {
      const { result } = expectAgreement(callOf([row], [5], options, dtype));
      const gradient = gradientRow(definedGradient(result), dtype, 0, VOCAB);
      expect([gradient[0], gradient[16], gradient[299]]).toEqual([0, 0, 0]);
    }
  });

  it('in all but the target leaves a forced row', () => {
    const row = new Float32Array(VOCAB).fill(-Infinity);
    row[271] = -3;
    for (const reduction of ['mean', 'weighted-mean'] as const) {
      const { result } = expectAgreement(callOf([row], [271], { reduction, penalty: 'softplus', labelSmoothing: 0.1 }));
      expect(definedGradient(result).every((entry) => entry === 0)).toBe(true);
      expect(result.nonFiniteRows).toEqual([]);
    }
  });

  it.each(DTYPES)('in every allowed token makes the row NaN (%s)', (dtype) => {
    const row = new Float32Array(VOCAB).fill(-Infinity);
    const { result } = expectAgreement(callOf([row, new Float32Array(VOCAB)], [4, 4], {}, dtype));
    expect(result.nonFiniteRows).toEqual([0]);
    const permitted = [[3, 4, 200], [4]];
    const finiteElsewhere = row.slice();
    finiteElsewhere[100] = 1;
    for (const allowed of [csrOf(permitted), bitmaskOf(permitted, VOCAB)]) {
      const constrained = expectAgreement(callOf([finiteElsewhere, finiteElsewhere], [4, -100], { allowed }, dtype));
      const gradient = gradientRow(definedGradient(constrained.result), dtype, 0, VOCAB);
      expect(gradient.flatMap((entry, token) => (Number.isNaN(entry) ? [token] : []))).toEqual([3, 4, 200]);
    }
  });

  describe.each(PENALTIES)('in the target, with penalty %s', (penalty) => {
    it.each(['detach', 'flow'] as const)(
      'costs plus infinity, is listed, and has the gradient at the limit (%s)',
      (thresholdGradient) => {
        const random = new SeededRandom(8);
        for (const lambda of [0.5, 0]) {
          for (const labelSmoothing of [0, 0.1]) {
            const rows = [rowWith(random, { 44: -Infinity }), rowWith(random, {})];
            const options = {
              penalty,
              thresholdGradient,
              lambda,
              labelSmoothing,
              zLoss: 1e-3,
              reduction: 'none',
            } as const;
            const { result } = expectAgreement(callOf(rows, [44, 44], options));
            expect((result.loss as Float32Array)[0]).toBe(Infinity);
            expect(result.nonFiniteRows).toEqual([0]);
            expect(result.rows?.rank[0]).toBe(VOCAB - 1);
          }
        }
      },
    );

    it('makes the scalar loss plus infinity', () => {
      const random = new SeededRandom(9);
      const rows = [rowWith(random, {}), rowWith(random, { 44: -Infinity })];
      for (const reduction of ['mean', 'sum', 'weighted-mean'] as const) {
        const { result } = expectAgreement(callOf(rows, [44, 44], { penalty, reduction }));
        expect(result.loss).toBe(Infinity);
      }
    });
  });

  it('in the target is masked in dense, CSR and bitmask form alike', () => {
    const random = new SeededRandom(10);
    const row = rowWith(random, { 44: -Infinity });
    const permitted = [[1, 2, 44, 90, 250]];
    for (const allowed of [csrOf(permitted), bitmaskOf(permitted, VOCAB)]) {
      expectAgreement(callOf([row], [44], { allowed, reduction: 'none', rows: true }));
    }
  });

  it('fewer finite logits than the beam is wide: the smallest finite one is the threshold', () => {
    const row = new Float32Array(VOCAB).fill(-Infinity);
    for (const [index, token] of [3, 99, 100, 298].entries()) row[token] = 4 - index;
    const { result } = expectAgreement(callOf([row], [99], { beamWidth: 10 }));
    expect(result.rows?.margin[0]).toBe(-2);
  });

  it('fills the first 4096 and more tokens, the only allowed ones coming late', () => {
    for (const vocabSize of [5000, 8192, 20000]) {
      for (const dtype of DTYPES) {
        const row = new Float32Array(vocabSize).fill(-Infinity);
        row[vocabSize - 1] = 1;
        row[vocabSize - 2] = 2;
        const lonely = new Float32Array(vocabSize).fill(-Infinity);
        lonely[vocabSize - 1] = -700;
        const { result } = expectAgreement(
          callOf([row, lonely], [vocabSize - 1, vocabSize - 1], { beamWidth: 1 }, dtype),
        );
        expect(result.nonFiniteRows).toEqual([]);
        expect(result.rows?.margin).toEqual(Float32Array.of(1, 0));
      }
    }
  });
});

describeContract('a target of minus infinity among others that are not finite', () => {
  const healthy = [1, 2, 3];
  it.each([
    ['one finite other', [-Infinity, 2, -Infinity]],
    ['a NaN', [-Infinity, NaN, 3]],
    ['nothing finite', [-Infinity, -Infinity, -Infinity]],
  ])('%s', (_, row) => {
    for (const reduction of REDUCTIONS) {
      for (const options of [{}, { softcap: 3, penalty: 'softplus', thresholdGradient: 'flow' }] as const) {
        expectAgreement(callOf([row, healthy], [0, 1], { ...options, reduction }));
      }
    }
  });

  it('allowed alone', () => {
    for (const reduction of REDUCTIONS) {
      const allowed = csrOf([[0], [1, 2]]);
      const { result } = expectAgreement(callOf([[-Infinity, 1, 4], healthy], [0, 1], { reduction, allowed }));
      expect(result.nonFiniteRows).toEqual([0]);
    }
  });
});

describeContract('weights of rows that are not finite', () => {
  it('multiply by the rules of IEEE 754', () => {
    const rows = [
      [-Infinity, 0, 1],
      [NaN, 0, 1],
      [0, 1, 2],
    ];
    const { loss, gradLogits } = runBackend(
      callOf(rows, [0, 0, 0], { tokenWeights: Float32Array.of(0, 0, 0), reduction: 'none' }),
    );
    expect(Array.from(loss as Float32Array)).toEqual([NaN, NaN, 0]);
    expect(Array.from(gradLogits as Float32Array, (entry) => entry + 0)).toEqual([0, 0, 0, NaN, NaN, NaN, 0, 0, 0]);
  });

  it('a weight of NaN makes its row NaN', () => {
    const rows = [
      [0, 1, 2],
      [0, 1, 2],
    ];
    const { loss, gradLogits } = runBackend(
      callOf(rows, [0, 0], { tokenWeights: Float32Array.of(NaN, 1), reduction: 'none' }),
    );
    expect((loss as Float32Array)[0]).toBeNaN();
    expect(Array.from(gradLogits as Float32Array).map(Number.isNaN)).toEqual([true, true, true, false, false, false]);
  });
});
