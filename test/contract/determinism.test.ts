import { fusedBearLossAsync } from '../../lib/index';
import { csrOf } from '../support/allowed-tokens';
import { describeContract, device, isEmulated } from '../support/backend-under-test';
import { bytesOf, DTYPES, type DType } from '../support/dtype';
import { callOf, fingerprint, type LossCall, logitsArgument, runBackend } from '../support/loss-call';
import { REDUCTIONS } from '../support/option-lists';
import { SeededRandom } from '../support/random';
import { everyPairOfKinds } from '../support/row-kinds';

function problem(dtype: DType, rows = 23, vocabSize = 2111): LossCall {
  const random = new SeededRandom(rows);
  const logits = Array.from({ length: rows }, () => random.normals(vocabSize, 3));
  const targets = random.integers(rows, vocabSize);
  targets[3] = -100;
  const tokenWeights = Float32Array.from({ length: rows }, () => random.uniform());
  return callOf(logits, targets, { penalty: 'softplus', thresholdGradient: 'flow', tokenWeights }, dtype);
}

/** The rows of a call as calls of their own. */
function rowsAlone(call: LossCall): LossCall[] {
  return Array.from({ length: call.rows }, (_, row) => ({
    ...call,
    rows: 1,
    logits: call.logits.slice(row * call.vocabSize, (row + 1) * call.vocabSize),
    targets: call.targets.slice(row, row + 1),
  }));
}

describeContract('the same result, bit for bit,', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it.each(REDUCTIONS)('for any number of threads (%s)', (reduction) => {
      const call = problem(dtype);
      const one = fingerprint(runBackend(call, { reduction, threads: 1 }));
      for (const threads of [2, 3, 7, 64]) {
        expect(fingerprint(runBackend(call, { reduction, threads }))).toEqual(one);
      }
    });

    it('for any number of threads, with fewer rows than threads and under a constraint', () => {
      const call = problem(dtype, 3, 900);
      const allowed = csrOf(
        Array.from(call.targets, (target) => [...new Set([Math.max(0, target), 5, 800])].sort((a, b) => a - b)),
      );
      const one = fingerprint(runBackend(call, { allowed, threads: 1 }));
      for (const threads of [2, 3, 7]) expect(fingerprint(runBackend(call, { allowed, threads }))).toEqual(one);
    });

    it('on every run', () => {
      const call = problem(dtype);
      const first = fingerprint(runBackend(call));
      for (let run = 0; run < 5; ++run) expect(fingerprint(runBackend(call))).toEqual(first);
    });

    it('in place as out of place', () => {
      const call = problem(dtype);
      const outOfPlace = fingerprint(runBackend(call));
      const inPlace = fingerprint(runBackend({ ...call, logits: call.logits.slice() }, { gradient: 'in-place' }));
      expect(inPlace).toEqual(outOfPlace);
    });

    it('from a call of its own as from the middle of a batch', () => {
      const call = problem(dtype);
      const batch = runBackend(call, { reduction: 'none' });
      const row = 11;
      const alone: LossCall = {
        ...call,
        rows: 1,
        logits: call.logits.slice(row * call.vocabSize, (row + 1) * call.vocabSize),
        targets: call.targets.slice(row, row + 1),
        options: { ...call.options, tokenWeights: call.options?.tokenWeights?.slice(row, row + 1) },
      };
      const single = runBackend(alone, { reduction: 'none' });
      expect((single.loss as Float32Array)[0]).toBe((batch.loss as Float32Array)[row]);
      expect(single.gradLogits).toEqual(batch.gradLogits?.slice(row * call.vocabSize, (row + 1) * call.vocabSize));
    });

    it.each(['out-of-place', 'in-place'] as const)('whatever rows come before and after (%s)', (gradient) => {
      const call = everyPairOfKinds(dtype);
      const gradients = rowsAlone(call).map((alone) => runBackend(alone, { gradient: true }).gradLogits);
      const batch = runBackend(call, { gradient: gradient === 'in-place' ? 'in-place' : true, threads: 1 });
      gradients.forEach((alone, row) => {
        expect(batch.gradLogits?.slice(row * call.vocabSize, (row + 1) * call.vocabSize)).toEqual(alone);
      });
    });

    it('from the asynchronous call', async () => {
      const call = problem(dtype);
      const options = { ...call.options, rows: true, device };
      const result = await fusedBearLossAsync(logitsArgument(call), call.targets, options);
      expect(fingerprint(result)).toEqual(fingerprint(runBackend(call)));
    });
  });

  // 9 MB of float32 are written past the caches.
  it.each([30011, 70001])('for a gradient that no cache would hold (%i logits a row)', (vocabSize) => {
    const random = new SeededRandom(vocabSize);
    const rows = isEmulated ? 2 : Math.ceil((9 * 2 ** 20) / 4 / vocabSize);
    const few = Array.from({ length: 4 }, () => random.normals(vocabSize, 3));
    const logits = Array.from({ length: rows }, (_, row) => few[row % few.length] as Float32Array);
    const call = callOf(logits, random.integers(rows, vocabSize), { reduction: 'sum' });
    const alone = rowsAlone(call).map((each) => runBackend(each).gradLogits);
    const batch = runBackend(call).gradLogits as Float32Array;
    alone.forEach((gradient, row) => {
      const part = batch.subarray(row * vocabSize, (row + 1) * vocabSize);
      expect(bytesOf(part).equals(bytesOf(gradient as Float32Array))).toBe(true);
    });
  });
});
