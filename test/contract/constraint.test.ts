import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { describeContract } from '../support/backend-under-test';
import { bytesOf, DTYPES, encode, type LogitArray } from '../support/dtype';
import {
  callOf,
  definedGradient,
  expectAgreement,
  expectLoss,
  expectStatistics,
  runBackend,
  runReference,
} from '../support/loss-call';
import { PENALTIES } from '../support/option-lists';
import { SeededRandom } from '../support/random';
import { expectGradient, ORDINARY } from '../support/tolerance';

const VOCAB = 450;

function problem(seed: number, counts: readonly number[]) {
  const random = new SeededRandom(seed);
  const rows = counts.map(() => random.normals(VOCAB, 3));
  const permitted = counts.map((count) => random.sample(count, VOCAB));
  const targets = permitted.map((tokens) => tokens[random.integer(tokens.length)] as number);
  return { rows, permitted, targets };
}

describeContract('the allowed-token constraint', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it.each(PENALTIES)('means the same as CSR, as a bitmask and as logits of minus infinity (%s)', (penalty) => {
      const { rows, permitted, targets } = problem(31, [1, 2, 5, 10, 11, 64, 65, 300, VOCAB]);
      const options = { penalty, thresholdGradient: 'flow', labelSmoothing: 0.05, reduction: 'none' } as const;
      const dense = rows.map((row, index) => {
        const allowed = new Set(permitted[index]);
        return row.map((z, token) => (allowed.has(token) ? z : -Infinity));
      });
      const reference = runReference(callOf(dense, targets, options, dtype));
      const unsmoothed = runReference(callOf(dense, targets, { ...options, labelSmoothing: 0 }, dtype)).gradient;
      const calls = {
        csr: callOf(rows, targets, { ...options, allowed: csrOf(permitted) }, dtype),
        bitmask: callOf(rows, targets, { ...options, allowed: bitmaskOf(permitted, VOCAB) }, dtype),
        masked: callOf(dense, targets, options, dtype),
      };
      const results = Object.values(calls).map((call) => runBackend(call));
      for (const result of results) {
        expectLoss(result.loss, reference.loss, ORDINARY);
        expectStatistics(result, reference, ORDINARY);
        expectGradient(definedGradient(result), reference.gradient, dtype, VOCAB, ORDINARY, unsmoothed);
        // Decided on raw logits: equal, not close.
        expect(result.rows?.margin).toEqual(results[0]?.rows?.margin);
      }
    });
  });

  it('as a bitmask ignores the bits past the vocabulary', () => {
    for (const vocabSize of [1, 5, 31, 33, 63, 65]) {
      const random = new SeededRandom(vocabSize);
      const rows = [random.normals(vocabSize), random.normals(vocabSize)];
      const permitted = rows.map(() => random.sample(Math.ceil(vocabSize / 2), vocabSize));
      const targets = permitted.map((tokens) => tokens[0] as number);
      const [clean, dirty] = ([0, 1] as const).map((tail) =>
        runBackend(callOf(rows, targets, { allowed: bitmaskOf(permitted, vocabSize, tail) })),
      );
      expect(dirty).toEqual(clean);
    }
  });

  it('that allows every token changes nothing', () => {
    const { rows, targets } = problem(32, [VOCAB, VOCAB]);
    const all = rows.map(() => Array.from({ length: VOCAB }, (_, token) => token));
    for (const allowed of [csrOf(all), bitmaskOf(all, VOCAB)]) {
      expectAgreement(callOf(rows, targets, { allowed }));
    }
  });

  it('of a late token only: whole tiles without an allowed one', () => {
    const vocabSize = 20000;
    const random = new SeededRandom(33);
    const rows = [random.normals(vocabSize), random.normals(vocabSize), random.normals(vocabSize)];
    const permitted = [[vocabSize - 1], [8192, 19998], [5, 16384, 16385]];
    for (const allowed of [csrOf(permitted), bitmaskOf(permitted, vocabSize)]) {
      expectAgreement(callOf(rows, [vocabSize - 1, 19998, 16385], { allowed, beamWidth: 1 }));
    }
  });

  it('lets an ignored row have no allowed token at all', () => {
    const { rows } = problem(34, [3, 3]);
    for (const allowed of [csrOf([[], [1, 2]]), bitmaskOf([[], [1, 2]], VOCAB)]) {
      const { result } = expectAgreement(callOf(rows, [-100, 2], { allowed }));
      expect(result.countedRows).toBe(1);
    }
  });

  it('in CSR lists may be followed by rows of very different lengths', () => {
    const { rows, permitted, targets } = problem(35, [1, VOCAB, 1, 2, VOCAB, 1]);
    expectAgreement(callOf(rows, targets, { allowed: csrOf(permitted), penalty: 'softplus', zLoss: 0.01 }));
  });
});

describeContract('the gradient in place and sparse', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it('writes the allowed entries and leaves all others as they are, bit for bit', () => {
      const { rows, permitted, targets } = problem(36, [1, 4, 200, 7, 3]);
      targets[3] = -100;
      const allowed = csrOf(permitted);
      const call = callOf(rows, targets, { allowed, penalty: 'softplus' }, dtype);
      const dense = runBackend(call);
      const logits = call.logits.slice() as LogitArray;
      const sparse = runBackend({ ...call, logits }, { gradient: 'in-place-sparse' });
      expect(sparse.loss).toBe(dense.loss);
      const expected = call.logits.slice() as LogitArray;
      permitted.forEach((tokens, row) => {
        for (const token of tokens) {
          const index = row * VOCAB + token;
          expected[index] = definedGradient(dense)[index] as number;
        }
      });
      expect(bytesOf(logits).equals(bytesOf(expected))).toBe(true);
    });

    it('in place and dense writes zeros outside the constraint', () => {
      const { rows, permitted, targets } = problem(37, [1, 4, 200]);
      const call = callOf(rows, targets, { allowed: csrOf(permitted) }, dtype);
      const expected = definedGradient(runBackend(call));
      const logits = call.logits.slice() as LogitArray;
      runBackend({ ...call, logits }, { gradient: 'in-place' });
      expect(bytesOf(logits).equals(bytesOf(expected))).toBe(true);
      expect(logits[permitted[0]?.[0] === 0 ? 1 : 0]).toBe(encode([0], dtype)[0]);
    });
  });
});
