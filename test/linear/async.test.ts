import { fusedLinearBearLoss, fusedLinearBearLossAsync } from '../../lib/index';
import { resizableBuffer, sharedFloats, transfer } from '../loss/refusal';
import { SeededRandom } from '../support/random';
import { argumentsOf, type DenseOptions, randomCall } from './linear-call';

const SHAPE = { rows: 40, vocabSize: 500, hiddenSize: 32 };
const makeOut = () => ({
  gradHidden: new Float32Array(40 * 32).fill(1),
  gradWeight: new Float32Array(500 * 32).fill(1),
  gradBias: new Float32Array(500).fill(1),
});
const makeCall = (options: DenseOptions = {}, dtype: 'float32' | 'bfloat16' = 'float32') =>
  randomCall(31, SHAPE, { bias: new SeededRandom(6).normals(500), ...options }, dtype);

describe.each(['float32', 'bfloat16'] as const)('%s', (dtype) => {
  it.each<[string, DenseOptions]>([
    ['all gradients', {}],
    ['no gradient', { needs: [] }],
    ['one gradient', { needs: ['weight'] }],
    ['row losses and statistics', { reduction: 'none', rows: true }],
    ['a small workspace', { workspaceBytes: 4096 }],
    ['the weighted mean', { reduction: 'weighted-mean', penalty: 'reweight' }],
  ])('equals the synchronous call bit for bit: %s', async (_, options) => {
    const call = makeCall(options, dtype);
    const expected = fusedLinearBearLoss(...argumentsOf(call), call.options);
    for (const borrow of [false, true]) {
      expect(await fusedLinearBearLossAsync(...argumentsOf(call), { ...call.options, borrow })).toEqual(expected);
    }
  });

  it('accumulates what it copied when it is done', async () => {
    const call = makeCall({}, dtype);
    const fresh = fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined });
    const out = { gradWeight: new Float32Array(500 * 32) };
    const options = { ...call.options, out, accumulate: true, needs: ['weight'] } as const;
    // Both at a time: neither may lose what the other adds.
    await Promise.all([1, 2].map(() => fusedLinearBearLossAsync(...argumentsOf(call), options)));
    expect(out.gradWeight).toEqual(fresh.gradWeight.map((value) => 2 * value));
  });
});

it('copies its inputs before it returns: they may change, and go, at once', async () => {
  const call = makeCall();
  const expected = fusedLinearBearLoss(...argumentsOf(call), call.options);
  const promise = fusedLinearBearLossAsync(...argumentsOf(call), call.options);
  const bias = call.options.bias as Float32Array;
  for (const view of [call.hidden, call.weight, bias]) view.fill(0x7fff);
  for (const view of [call.hidden, call.weight, call.targets, bias]) transfer(view);
  expect(await promise).toEqual(expected);
});

it('writes to the arrays of the caller, also in shared and in resizable memory', async () => {
  const call = makeCall();
  const expected = fusedLinearBearLoss(...argumentsOf(call), call.options);
  const out = {
    ...makeOut(),
    gradWeight: sharedFloats(500 * 32),
    gradBias: new Float32Array(resizableBuffer(2000, 4000) as ArrayBuffer, 0, 500),
  };
  const result = await fusedLinearBearLossAsync(...argumentsOf(call), { ...call.options, out });
  for (const name of ['gradHidden', 'gradWeight', 'gradBias'] as const) {
    expect(result[name]).toBe(out[name]);
    expect(Float32Array.from(out[name])).toEqual(expected[name]);
  }
});

it('is rejected where an output has gone, and writes nothing to the others', async () => {
  const call = makeCall();
  const out = makeOut();
  const promise = fusedLinearBearLossAsync(...argumentsOf(call), { ...call.options, out });
  transfer(out.gradBias);
  await expect(promise).rejects.toMatchObject({ code: 'ERR_BEAR_BUFFER_DETACHED', argument: 'out' });
  expect(out.gradWeight).toEqual(makeOut().gradWeight);
});

it('rejects what the synchronous call throws', async () => {
  const call = makeCall();
  call.targets[3] = 500;
  await expect(fusedLinearBearLossAsync(...argumentsOf(call), call.options)).rejects.toMatchObject({
    code: 'ERR_BEAR_TARGET_OUT_OF_RANGE',
    row: 3,
  });
});

describe('an abort', () => {
  it('before the call rejects with the reason', async () => {
    const call = makeCall();
    const signal = AbortSignal.abort('enough');
    await expect(fusedLinearBearLossAsync(...argumentsOf(call), { ...call.options, signal })).rejects.toBe('enough');
  });

  it('while it runs ends the call, and nothing is written', async () => {
    const call = randomCall(32, { rows: 4000, vocabSize: 4000, hiddenSize: 64 });
    const out = { gradWeight: new Float32Array(4000 * 64).fill(1) };
    const controller = new AbortController();
    const options = { ...call.options, needs: ['weight'], out, signal: controller.signal, threads: 1 } as const;
    const promise = fusedLinearBearLossAsync(...argumentsOf(call), options);
    setImmediate(() => controller.abort('enough'));
    await expect(promise).rejects.toBe('enough');
    expect(out.gradWeight.every((value) => value === 1)).toBe(true);
  });

  it('of a call with borrowed memory is waited for', async () => {
    const call = randomCall(33, { rows: 2000, vocabSize: 4000, hiddenSize: 64 });
    const controller = new AbortController();
    const options = { ...call.options, borrow: true, signal: controller.signal, threads: 1 } as const;
    const promise = fusedLinearBearLossAsync(...argumentsOf(call), options);
    controller.abort('enough');
    await expect(promise).rejects.toBe('enough');
  });
});
