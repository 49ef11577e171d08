// What a user does with the installed package, on whatever runtime: copied into an application, with the package left out of
// the bundle. EXPECTED_BACKEND is what must compute.
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type BearLossResult, capabilities, fusedBearLoss, fusedBearLossAsync, topTokens } from 'fused-bear-loss';
import { beamSearch, type StepRequest, TokenTrie } from 'fused-bear-loss/decoding';

const expectedBackend = process.env.EXPECTED_BACKEND;
// The folder of the bundle, which lies in the application. `__dirname` would be that of this source.
const folder = dirname(process.argv[1] as string);

// 3 rows of 5, whose loss is known: each target's logit is 1 below the only larger one, or the row's largest.
const logits = () => Float32Array.of(2, 1, 0, 0, 0, 0, 0, 0, 2, 1, 3, 0, 0, 0, 0);
const targets = () => Int32Array.of(1, 4, 0);
const options = { vocabSize: 5, penalty: 'none' } as const;
const softplus = (logitOfTarget: number, others: number[]) =>
  Math.log(others.reduce((sum, other) => sum + Math.exp(other), Math.exp(logitOfTarget))) - logitOfTarget;
const expectedLoss = (2 * softplus(1, [2, 0, 0, 0]) + softplus(3, [0, 0, 0, 0])) / 3;

function expectRight({ loss, gradLogits, countedRows }: BearLossResult): void {
  expect(loss).toBeCloseTo(expectedLoss, 6);
  expect(countedRows).toBe(3);
  for (let row = 0; row < 3; row++) {
    const gradient = Array.from(gradLogits?.subarray(row * 5, row * 5 + 5) as Float32Array);
    // Of a row, a softmax minus one: the entries add up to 0, and only the target's is negative.
    expect(gradient.reduce((sum, each) => sum + each, 0)).toBeCloseTo(0, 6);
    expect(gradient.flatMap((each, token) => (each < 0 ? [token] : []))).toEqual([targets()[row]]);
  }
}

describe('the installed package', () => {
  it('computes on the expected backend', () => {
    expect(capabilities()).toMatchObject({ backend: expectedBackend });
  });

  it('computes a loss and its gradient', () => {
    expectRight(fusedBearLoss(logits(), targets(), options));
  });

  it('is the same for import and for require', async () => {
    const imported = await import('fused-bear-loss');
    expect(imported.fusedBearLoss).toBe(fusedBearLoss);
    expectRight(imported.fusedBearLoss(logits(), targets(), options));
  });

  it('computes asynchronously', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, () => fusedBearLossAsync(logits(), targets(), options)),
    );
    for (const result of results) expectRight(result);
  });

  it('aborts a call that waits, and the next one works', async () => {
    const [rows, vocabSize] = [64, 20_000];
    const data = new Float32Array(rows * vocabSize);
    const controller = new AbortController();
    const long = { vocabSize, beamWidth: 1000 };
    // Two at a time run on the addon: the fourth waits.
    const before = Array.from({ length: 3 }, () => fusedBearLossAsync(data, new Int32Array(rows), long));
    const aborted = fusedBearLossAsync(data, new Int32Array(rows), { ...long, signal: controller.signal });
    const settled = aborted.then(
      () => 'done',
      (error: Error) => error.name,
    );
    controller.abort();
    expect(await settled).toBe('AbortError');
    for (const { loss } of await Promise.all(before)) expect(loss).toBeGreaterThan(0);
    expectRight(await fusedBearLossAsync(logits(), targets(), options));
  });

  it('rejects at once with a signal that was aborted before', async () => {
    const signal = AbortSignal.abort();
    await expect(fusedBearLossAsync(logits(), targets(), { ...options, signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it.each<[string, () => unknown, object]>([
    [
      'a target that is no token',
      () => fusedBearLoss(logits(), [1, 5, 0], options),
      { name: 'RangeError', code: 'ERR_BEAR_TARGET_OUT_OF_RANGE', argument: 'targets' },
    ],
    [
      'logits of another type',
      () => fusedBearLoss(new Float64Array(15) as never, targets(), options),
      { name: 'TypeError', code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'logits' },
    ],
    [
      'a misspelled option',
      () => fusedBearLoss(logits(), targets(), { ...options, beamWdth: 3 } as never),
      { name: 'TypeError', code: 'ERR_BEAR_OPTION_UNKNOWN' },
    ],
  ])('refuses %s by a code', (_what, call, refusal) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject(refusal);
    expect(thrown).toBeInstanceOf((refusal as { name: string }).name === 'TypeError' ? TypeError : RangeError);
  });

  const float16 = Reflect.get(globalThis, 'Float16Array') as (new (values: Float32Array) => never) | undefined;
  (float16 ? it : it.skip)(`takes a Float16Array${float16 ? '' : ' (skipped: this runtime has none)'}`, () => {
    const values = new (float16 as NonNullable<typeof float16>)(logits());
    const { loss, gradLogits } = fusedBearLoss(values, targets(), options);
    expect(loss).toBeCloseTo(expectedLoss, 6); // the logits are small integers
    expect(Object.prototype.toString.call(gradLogits)).toBe('[object Float16Array]');
  });

  const shared = typeof SharedArrayBuffer === 'function';
  (shared ? it : it.skip)(`takes shared memory${shared ? '' : ' (skipped: this runtime has none)'}`, () => {
    const values = new Float32Array(new SharedArrayBuffer(logits().byteLength));
    values.set(logits());
    const { gradLogits, loss } = fusedBearLoss(values, targets(), { ...options, gradient: 'in-place' });
    expect(gradLogits).toBe(values);
    expect(loss).toBeCloseTo(expectedLoss, 6);
  });

  it('finds the top tokens', () => {
    const { tokens, logProbabilities } = topTokens(logits(), 2, { vocabSize: 5 });
    expect(Array.from(tokens)).toEqual([0, 1, 3, 4, 0, 1]);
    expect(logProbabilities[1]).toBeCloseTo(-softplus(1, [2, 0, 0, 0]), 6);
  });

  it('searches a catalogue with a beam', async () => {
    const trie = TokenTrie.fromSequences([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
    const step = ({ users }: StepRequest<undefined>) => ({
      logits: Float32Array.from({ length: users.length * 4 }, (_, index) => index % 4),
      state: undefined,
    });
    const [ranking] = await beamSearch({ step, trie, users: 1, beamWidth: 2 });
    expect(ranking?.map(({ items }) => Array.from(items))).toEqual([[2], [1]]);
    const scale = Math.log(Math.exp(0) + Math.exp(1) + Math.exp(2));
    expect(ranking?.[0]?.score).toBeCloseTo(2 - scale, 5);
  });

  it('computes in worker threads beside the main thread', async () => {
    const workers = Array.from({ length: 2 }, () => new Worker(`${folder}/worker.cjs`));
    const messages = workers.map(
      (worker) => new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject)),
    );
    expectRight(await fusedBearLossAsync(logits(), targets(), options));
    const expected = { backend: expectedBackend, loss: expect.closeTo(Math.log(2), 6) };
    expect(await Promise.all(messages)).toEqual([expected, expected]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
});
