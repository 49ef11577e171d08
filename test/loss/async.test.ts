import { getEventListeners } from 'node:events';
import { fusedBearLoss, fusedBearLossAsync } from '../../lib/index';
import { isWasm } from '../support/backend-under-test';
import { bytesOf } from '../support/dtype';
import { SeededRandom } from '../support/random';
import { resizableBuffer, sharedFloats, transfer, validCall, validLists } from './refusal';

// Long enough that a call is still running, or waiting, when the next line of a test runs.
const ROWS = 64;
const VOCAB = 50000;
const random = new SeededRandom(9);
const bigLogits = random.normals(ROWS * VOCAB, 3);
const bigTargets = random.integers(ROWS, VOCAB);

function bigCall(options: object = {}) {
  return fusedBearLossAsync({ data: bigLogits, shape: [ROWS, VOCAB] }, bigTargets, { gradient: false, ...options });
}

/** Takes a tenth of a second or more of one thread, or as much more as it has more rows. */
function slowCall(options: object = {}, timesRows = 4) {
  const data = new Float32Array(timesRows * ROWS * VOCAB);
  for (let copy = 0; copy < timesRows; ++copy) data.set(bigLogits, copy * ROWS * VOCAB);
  const targets = new Int32Array(timesRows * ROWS);
  const slow = { beamWidth: VOCAB / 2, softcap: 30, gradient: false, threads: 1 };
  return fusedBearLossAsync({ data, shape: [timesRows * ROWS, VOCAB] }, targets, { ...slow, ...options });
}

describe('the asynchronous call', () => {
  it.each([
    ['out of place', {}],
    ['no gradient', { gradient: false }],
    ['row losses and statistics', { reduction: 'none', rows: true }],
    ['lists', { allowed: validLists(), rows: true }],
    ['lists without a gradient', { allowed: validLists(), gradient: false, rows: true }],
    ['a bitmask', { allowed: { bitmask: Uint32Array.of(31, 31, 31) } }],
    [
      'weights',
      { tokenWeights: Float32Array.of(1, 2, 3), penaltyWeights: Float32Array.of(3, 2, 1), penalty: 'softplus' },
    ],
    ['an upstream gradient', { reduction: 'none', gradOutput: Float32Array.of(1, -2, 3) }],
    ['a stride of the gradient', { out: { rowStride: 9 } }],
  ] as const)('equals the synchronous one bit for bit: %s', async (_, options) => {
    const { logits, targets } = validCall();
    const expected = fusedBearLoss(logits, targets, options as object);
    expect(await fusedBearLossAsync(logits, targets, options as object)).toEqual(expected);
    expect(logits).toEqual(validCall().logits);
  });

  it.each(['in-place', 'in-place-sparse'] as const)('writes %s with the stride of the logits', async (gradient) => {
    const make = () => Float32Array.from({ length: 19 }, (_, index) => Math.cos(index));
    const options = { gradient, allowed: validLists(), vocabSize: 5, rowStride: 7 } as const;
    const [sync, async] = [make(), make()];
    const expected = fusedBearLoss(sync, [1, 4, 2], options);
    const result = await fusedBearLossAsync(async, [1, 4, 2], options);
    expect(result.gradLogits).toBe(async);
    expect(async).toEqual(sync);
    expect(result.loss).toBe(expected.loss);
  });

  it('in place and sparse leaves alone what was written meanwhile', async () => {
    const { logits, targets } = validCall();
    const promise = fusedBearLossAsync(logits, targets, { gradient: 'in-place-sparse', allowed: validLists() });
    logits[2] = 55; // not allowed in row 0
    await promise;
    expect(logits[2]).toBe(55);
  });

  it('copies its inputs before it returns: they may change, and go, at once', async () => {
    const { logits, targets } = validCall();
    const allowed = validLists();
    const tokenWeights = Float32Array.of(1, 2, 3);
    const expected = fusedBearLoss(logits, targets, { allowed, tokenWeights });
    const promise = fusedBearLossAsync(logits, targets, { allowed, tokenWeights });
    logits.fill(Number.NaN);
    targets.fill(99);
    allowed.tokens.fill(-1);
    for (const view of [logits, targets, allowed.offsets, allowed.tokens, tokenWeights]) transfer(view);
    expect(await promise).toEqual(expected);
  });

  it('writes its outputs on this thread, not before it is awaited', async () => {
    const { logits, targets, options } = validCall();
    const promise = fusedBearLossAsync(logits, targets, options);
    expect([...options.out.gradLogits]).toEqual(Array(15).fill(7));
    await promise;
    expect(options.out.gradLogits).toEqual(fusedBearLoss(logits, targets).gradLogits);
  });

  it('does not block the event loop', async () => {
    const turnsDuring = async (call: Promise<unknown>) => {
      let turns = 0;
      let done = false;
      const count = () => {
        ++turns;
        if (!done) setImmediate(count);
      };
      setImmediate(count);
      await call;
      done = true;
      return turns;
    };
    // A busy machine may leave this thread no time during one call. Calls that block leave it none during any.
    let most = 0;
    for (let call = 0; call < 20 && most < 2; ++call) most = Math.max(most, await turnsDuring(slowCall()));
    expect(most).toBeGreaterThanOrEqual(2);
  });

  it('may be made many times at once', async () => {
    const expected = fusedBearLoss({ data: bigLogits, shape: [ROWS, VOCAB] }, bigTargets, { gradient: false });
    const results = await Promise.all(Array.from({ length: 12 }, () => bigCall()));
    for (const result of results) expect(result).toEqual(expected);
  });

  it('lets the event loop turn between two calls that end', async () => {
    // All of them are long over when the first is looked at.
    const { logits, targets } = validCall();
    let finished = 0;
    const calls = Array.from({ length: 50 }, () => fusedBearLossAsync(logits, targets).then(() => ++finished));
    const end = Date.now() + 50;
    while (Date.now() < end);
    await new Promise(setImmediate);
    expect(finished).toBeLessThan(50);
    await Promise.all(calls);
  });
});

describe('a buffer that goes while the call runs', () => {
  it('of out.gradLogits: the promise is rejected', async () => {
    const { logits, targets, options } = validCall();
    const promise = fusedBearLossAsync(logits, targets, options);
    transfer(options.out.gradLogits);
    await expect(promise).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_BEAR_BUFFER_DETACHED',
      argument: 'out.gradLogits',
    });
  });

  it('of logits in place: the promise is rejected', async () => {
    const { logits, targets } = validCall();
    const promise = fusedBearLossAsync(logits, targets, { gradient: 'in-place' });
    transfer(logits);
    await expect(promise).rejects.toMatchObject({ code: 'ERR_BEAR_BUFFER_DETACHED', argument: 'logits' });
  });

  it.each([32, 64, 120])('or has another length (%i bytes): rejected, and nothing is written', async (byteLength) => {
    const { logits, targets } = validCall();
    const buffer = resizableBuffer(60, 120);
    const gradLogits = new Float32Array(buffer).fill(7);
    const promise = fusedBearLossAsync(logits, targets, { out: { gradLogits } });
    buffer.resize(byteLength);
    const before = [...gradLogits];
    await expect(promise).rejects.toMatchObject({ code: 'ERR_BEAR_BUFFER_DETACHED', argument: 'out.gradLogits' });
    expect([...gradLogits]).toEqual(before);
  });
});

describe('an abort', () => {
  const reason = new Error('enough');

  function outputs() {
    const gradLogits = new Float32Array(ROWS * VOCAB).fill(7);
    return { gradLogits, untouched: () => gradLogits.every((value) => value === 7) };
  }

  it('before the call rejects at once, and nothing is read', async () => {
    const { logits, targets, options } = validCall();
    const promise = fusedBearLossAsync(logits, targets, { ...options, signal: AbortSignal.abort(reason) });
    await expect(promise).rejects.toBe(reason);
    expect([...options.out.gradLogits]).toEqual(Array(15).fill(7));
  });

  it('before the call with a bad option is still the error of the option', async () => {
    const promise = fusedBearLossAsync(new Float32Array(5), [1], { lambda: Number.NaN, signal: AbortSignal.abort() });
    await expect(promise).rejects.toMatchObject({ code: 'ERR_BEAR_OPTION_VALUE' });
  });

  it('while it runs rejects with the reason, and nothing is written', async () => {
    const controller = new AbortController();
    const gradLogits = new Float32Array(4 * ROWS * VOCAB).fill(7);
    const promise = slowCall({ gradient: true, out: { gradLogits }, signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(promise).rejects.toBe(reason);
    await bigCall(); // the aborted job is long over
    expect(gradLogits.every((value) => value === 7)).toBe(true);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  // The module has one thread, and computes one call after the other.
  (isWasm ? it.skip : it)('stops a kernel that runs, whose thread then serves the next call', async () => {
    const controller = new AbortController();
    const gradLogits = sharedFloats(16 * ROWS * VOCAB).fill(7);
    const ended: string[] = [];
    const note = (name: string) => () => ended.push(name);
    // Two run at a time. The first would take more than four times as long as the second, and the third waits for either.
    const { signal } = controller;
    const first = slowCall({ signal, gradient: true, out: { gradLogits } }, 16).catch(note('first'));
    const second = slowCall({}, 4).then(note('second'));
    const third = bigCall({ threads: 1 }).then(note('third'));
    while (gradLogits[0] === 7) await new Promise(setImmediate); // written to where it lies
    controller.abort(reason);
    await Promise.all([first, second, third]);
    expect(ended).toEqual(['first', 'third', 'second']);
  });

  it('in place leaves the logits as they were', async () => {
    const controller = new AbortController();
    const logits = bigLogits.slice();
    const promise = fusedBearLossAsync({ data: logits, shape: [ROWS, VOCAB] }, bigTargets, {
      gradient: 'in-place',
      ...{ beamWidth: VOCAB / 2, softcap: 30, threads: 1 }, // slow enough
      signal: controller.signal,
    });
    setImmediate(() => controller.abort(reason));
    await expect(promise).rejects.toBe(reason);
    await bigCall();
    expect(bytesOf(logits).equals(bytesOf(bigLogits))).toBe(true);
  });

  it('right after the call, or while it waits for others, rejects without waiting for them', async () => {
    const controller = new AbortController();
    const { gradLogits, untouched } = outputs();
    let othersDone = 0;
    const others = Array.from({ length: 6 }, () => bigCall().then(() => ++othersDone));
    const promise = bigCall({ gradient: true, out: { gradLogits }, signal: controller.signal });
    controller.abort(reason);
    await expect(promise).rejects.toBe(reason);
    expect(othersDone).toBeLessThan(6);
    await Promise.all([...others, bigCall()]);
    expect(untouched()).toBe(true);
  });

  it('at the moment when the result is ready still writes nothing', async () => {
    const { logits, targets, options } = validCall();
    const controller = new AbortController();
    const promise = fusedBearLossAsync(logits, targets, { ...options, signal: controller.signal });
    // This thread is kept busy until the kernel is done for sure; its result waits for the event loop.
    const end = Date.now() + 50;
    while (Date.now() < end);
    controller.abort(reason);
    await expect(promise).rejects.toBe(reason);
    await bigCall();
    expect([...options.out.gradLogits]).toEqual(Array(15).fill(7));
  });

  it('after the call does nothing, and no listener is left', async () => {
    const { logits, targets } = validCall();
    const controller = new AbortController();
    const result = await fusedBearLossAsync(logits, targets, { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort(reason);
    expect(result).toEqual(fusedBearLoss(logits, targets));
  });

  it('of a call that was refused leaves no listener either', async () => {
    const { logits } = validCall();
    const { signal } = new AbortController();
    await expect(fusedBearLossAsync(logits, [1, 9, 2], { signal })).rejects.toMatchObject({ row: 1 });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('of one call does not touch the others of the same signal that are done', async () => {
    const controller = new AbortController();
    const first = await bigCall({ signal: controller.signal });
    const second = bigCall({ signal: controller.signal });
    controller.abort();
    await expect(second).rejects.toMatchObject({ name: 'AbortError' });
    expect(first.countedRows).toBe(ROWS);
  });
});
