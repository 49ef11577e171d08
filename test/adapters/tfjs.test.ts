import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { bearLoss, registerWasmTrainingKernels, type TfjsBearLossOptions } from '../../lib/adapters/tfjs';
import * as kernel from '../../lib/loss/fused-bear-loss';
import { csrOf } from '../support/allowed-tokens';
import { callOf, runReference } from '../support/loss-call';
import { SeededRandom } from '../support/random';
import { expectAllClose, expectFloatGradient, ORDINARY } from '../support/tolerance';

const { fusedBearLoss: actual } = jest.requireActual<typeof kernel>('../../lib/loss/fused-bear-loss');
jest.mock('../../lib/loss/fused-bear-loss', () => {
  const original = jest.requireActual('../../lib/loss/fused-bear-loss');
  return { ...original, fusedBearLoss: jest.fn(original.fusedBearLoss) };
});
const called = kernel.fusedBearLoss as unknown as jest.Mock;

const [N, V] = [6, 40];
const random = new SeededRandom(9);
const rows = Array.from({ length: N }, () => random.normals(V, 3));
const flat = Float32Array.from(rows.flatMap((row) => [...row]));
const targets = Int32Array.from([3, 39, 0, -100, 7, 12]);
const logitsTensor = () => tf.tensor2d(flat, [N, V]);

/** The arrays that the kernel was last called with. */
function lastMemory(): { logits: Float32Array; gradient: Float32Array | undefined; options: Record<string, unknown> } {
  const [{ data }, , options] = called.mock.lastCall;
  return { logits: data, gradient: options.out?.gradLogits, options };
}

beforeEach(() => called.mockClear());

describe.each(['cpu', 'wasm'])('bearLoss of tfjs on %s', (backend) => {
  beforeAll(async () => {
    expect(await tf.setBackend(backend)).toBe(true);
    await tf.ready();
  });

  it.each<[string, TfjsBearLossOptions]>([
    ['by default', {}],
    ['with a penalty and a beam', { penalty: 'log-sigmoid', beamWidth: 3, lambda: 1 }],
    ['summed', { reduction: 'sum', temperature: 0.7 }],
    [
      'under a constraint',
      { allowed: csrOf(Array.from(targets, (target) => [...new Set([5, Math.max(0, target)])].sort((a, b) => a - b))) },
    ],
  ])('gives loss and gradient of the reference %s', (_, options) => {
    const reference = runReference(callOf(rows, targets, options));
    const { value, grad } = tf.valueAndGrad((x) => bearLoss(x, targets, options))(logitsTensor());
    expectAllClose(value.dataSync() as Float32Array, [reference.loss as number], ORDINARY.loss, 'loss');
    expectFloatGradient(grad.dataSync() as Float32Array, reference.gradient, V, ORDINARY.gradient);
  });

  it('agrees with the cross-entropy of tfjs, through a layer', () => {
    const hidden = tf.tensor2d(random.normals(N * 4), [N, 4]);
    const weights = tf.tensor2d(random.normals(4 * V), [4, V]);
    const ids = targets.map((target) => Math.max(0, target));
    const oneHot = tf.oneHot(tf.tensor1d(ids, 'int32'), V);
    const ours = tf.valueAndGrad((w) => bearLoss(tf.matMul(hidden, w as tf.Tensor2D), ids, { penalty: 'none' }))(
      weights,
    );
    const theirs = tf.valueAndGrad((w) => {
      const logProbabilities = tf.logSoftmax(tf.matMul(hidden, w as tf.Tensor2D));
      return tf.div(tf.sum(tf.mul(logProbabilities, oneHot)), -N);
    })(weights);
    expect(ours.value.dataSync()[0]).toBeCloseTo(theirs.value.dataSync()[0] as number, 5);
    expectAllClose(ours.grad.dataSync(), theirs.grad.dataSync(), 1e-5, 'gradient');
  });

  it('folds what is multiplied to it into the kernel', () => {
    const reference = runReference(callOf(rows, targets, { gradOutput: -2.5 }));
    const { grad } = tf.valueAndGrad((x) => tf.mul(bearLoss(x, targets), -2.5))(logitsTensor());
    expect(lastMemory().options.gradOutput).toBe(-2.5);
    expect(called).toHaveBeenCalledTimes(2);
    expectFloatGradient(grad.dataSync() as Float32Array, reference.gradient, V, ORDINARY.gradient);
  });

  it('calls the kernel once where nothing is multiplied', () => {
    tf.grad((x) => bearLoss(x, targets))(logitsTensor());
    expect(called).toHaveBeenCalledTimes(1);
  });

  it('gives a loss for each row, and takes an upstream gradient for each', () => {
    const factors = Float32Array.of(1, 0, -2, 3, 0.5, 1);
    const options = { reduction: 'none', gradOutput: factors } as const;
    const reference = runReference(callOf(rows, targets, options));
    const loss = bearLoss(tf.reshape(logitsTensor(), [2, 3, V]), targets, { reduction: 'none' });
    expect(loss.shape).toEqual([2, 3]);
    expectAllClose(loss.dataSync(), reference.loss as Float64Array, ORDINARY.loss, 'loss');
    const weighted = (x: tf.Tensor) =>
      tf.sum(tf.mul(bearLoss(x, targets, { reduction: 'none' }), tf.tensor1d(factors)));
    const gradient = tf.grad(weighted)(logitsTensor());
    expectFloatGradient(gradient.dataSync() as Float32Array, reference.gradient, V, ORDINARY.gradient);
  });

  it('reads the logits and writes the gradient where the tensors have them', () => {
    const logits = logitsTensor();
    const gradient = tf.grad((x) => bearLoss(x, targets))(logits);
    const memory = lastMemory();
    if (backend === 'cpu') {
      expect(memory.logits).toBe(logits.dataSync());
      expect(memory.gradient).toBe(gradient.dataSync());
      return;
    }
    const wasm = tf.backend() as unknown as { typedArrayFromHeap(tensor: tf.Tensor): Float32Array };
    for (const [used, tensor] of [
      [memory.logits, logits],
      [memory.gradient, gradient],
    ] as const) {
      const live = wasm.typedArrayFromHeap(tensor as tf.Tensor);
      expect(used?.buffer).toBe(live.buffer);
      expect([used?.byteOffset, used?.length]).toEqual([live.byteOffset, live.length]);
    }
  });

  it('computes no gradient where none is asked for', () => {
    const loss = bearLoss(logitsTensor(), targets);
    expect(lastMemory().options.gradient).toBe(false);
    expect(loss.dataSync()[0]).toBeCloseTo(actual({ data: flat, shape: [N, V] }, targets).loss as number, 6);
  });

  it('leaves no tensors behind', () => {
    const logits = logitsTensor();
    const before = { ...tf.memory(), ids: tf.backend().numDataIds() };
    const rounds = [
      () =>
        tf
          .grad((x) => bearLoss(x, targets))(logits)
          .dispose(),
      () =>
        tf
          .grad((x) => tf.mul(bearLoss(x, targets), 3))(logits)
          .dispose(),
      () => bearLoss(logits, targets).dispose(),
      // A loss that is computed and not differentiated.
      () =>
        tf
          .grad((x) => {
            bearLoss(x, targets);
            return tf.sum(x);
          })(logits)
          .dispose(),
      () => expect(() => tf.grad((x) => bearLoss(x, [1]))(logits)).toThrow('targets'),
    ];
    for (const round of [...rounds, ...rounds]) tf.tidy(() => void round());
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
    expect(tf.backend().numDataIds()).toBe(before.ids);
  });

  it('gives the gradient of logits that are an intermediate result', () => {
    const x = logitsTensor();
    const reference = runReference(callOf(rows, targets, { gradOutput: 2 }));
    const gradient = tf.grad((y) =>
      tf.mul(
        tf.tidy(() => bearLoss(tf.add(y, 0), targets)),
        2,
      ),
    )(x);
    expectFloatGradient(gradient.dataSync() as Float32Array, reference.gradient, V, ORDINARY.gradient);
  });

  it('trains with an optimizer', () => {
    const weights = tf.variable(tf.tensor2d(flat, [N, V]));
    const losses = Array.from({ length: 30 }, () =>
      tf.tidy(() => {
        const loss = tf.train.adam(0.3).minimize(() => bearLoss(weights, targets), true);
        return (loss as tf.Scalar).dataSync()[0] as number;
      }),
    );
    expect(losses[29]).toBeLessThan((losses[0] as number) / 2);
    weights.dispose();
  });

  it('tells what else the kernel found', () => {
    const onStatistics = jest.fn();
    bearLoss(logitsTensor(), targets, { onStatistics, rows: true });
    const expected = actual({ data: flat, shape: [N, V] }, targets, { gradient: false, rows: true });
    expect(onStatistics).toHaveBeenCalledTimes(1);
    const { loss: _, ...statistics } = expected;
    expect(onStatistics.mock.lastCall[0]).toEqual(statistics);
  });

  it('takes targets that are a tensor', () => {
    const ids = tf.tensor1d(targets, 'int32');
    expect(bearLoss(logitsTensor(), ids).dataSync()[0]).toBe(bearLoss(logitsTensor(), targets).dataSync()[0]);
  });

  it.each<[string, () => unknown, string, string]>([
    [
      'an option that it decides itself',
      () => bearLoss(logitsTensor(), targets, { gradOutput: 2 } as never),
      'ERR_BEAR_OPTION_UNKNOWN',
      'gradOutput',
    ],
    [
      'an option that does not exist',
      () => bearLoss(logitsTensor(), targets, { beam: 2 } as never),
      'ERR_BEAR_OPTION_UNKNOWN',
      'beam',
    ],
    ['no options', () => bearLoss(logitsTensor(), targets, null as never), 'ERR_BEAR_ARGUMENT_TYPE', 'options'],
    ['integer logits', () => bearLoss(tf.tensor2d([1, 2], [1, 2], 'int32'), [0]), 'ERR_BEAR_DTYPE', 'logits'],
    [
      'targets of another dtype',
      () => bearLoss(logitsTensor(), tf.tensor1d([1, 2, 3, 4, 5, 6])),
      'ERR_BEAR_DTYPE',
      'targets',
    ],
    ['what is no tensor', () => bearLoss(flat as never, targets), 'ERR_BEAR_ARGUMENT_TYPE', 'logits'],
    ['too few targets', () => bearLoss(logitsTensor(), [1]), 'ERR_BEAR_SHAPE', 'targets'],
  ])('refuses %s', (_, call, code, argument) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});

describe('bearLoss of tfjs on any other backend', () => {
  it('copies', async () => {
    await tf.setBackend('cpu');
    const logits = logitsTensor();
    // A backend that gives away copies, as those of WebGL and of the native library do.
    const backend = tf.backend();
    const readSync = jest.spyOn(backend, 'readSync').mockImplementation((dataId) => {
      readSync.mockRestore();
      return (backend.readSync(dataId) as Float32Array).slice();
    });
    const { value, grad } = tf.valueAndGrad((x) => bearLoss(x, targets))(logits);
    const reference = runReference(callOf(rows, targets));
    expect(lastMemory().logits).not.toBe(logits.dataSync());
    expectAllClose(value.dataSync() as Float32Array, [reference.loss as number], ORDINARY.loss, 'loss');
    expectFloatGradient(grad.dataSync() as Float32Array, reference.gradient, V, ORDINARY.gradient);
  });
});

describe('registerWasmTrainingKernels', () => {
  beforeAll(() => tf.setBackend('wasm'));

  const table = random.normals(5 * 3);
  const indices = [0, 4, 4, 2, 0, 0];
  const gatherGradient = () =>
    tf
      .grad((x) => tf.sum(tf.mul(tf.gather(x, tf.tensor1d(indices, 'int32')), tf.reshape(tf.range(1, 19), [6, 3]))))(
        tf.tensor2d(table, [5, 3]),
      )
      .dataSync();
  const shapes = [
    [
      [3, 4],
      [4, 5],
    ],
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
  ] as const;
  const products = () =>
    shapes.flatMap(([a, b]) =>
      [false, true].flatMap((transposeA) =>
        [false, true].map((transposeB) => {
          const turn = (x: tf.Tensor, isTurned: boolean) =>
            isTurned ? tf.transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]) : x;
          const filled = (shape: readonly number[]) => {
            const size = shape.reduce((product, extent) => product * extent, 1);
            return tf.reshape(tf.sin(tf.range(0, size)), [...shape]);
          };
          return Array.from(
            tf.matMul(turn(filled(a), transposeA), turn(filled(b), transposeB), transposeA, transposeB).dataSync(),
          );
        }),
      ),
    );

  it('lets gradients through embeddings, which the backend alone does not', async () => {
    expect(gatherGradient).toThrow('UnsortedSegmentSum');
    const before = products();
    registerWasmTrainingKernels();
    registerWasmTrainingKernels();
    const ours = gatherGradient();
    const ids = tf.backend().numDataIds();
    const ourProducts = tf.tidy(products);
    expect(tf.backend().numDataIds()).toBe(ids);
    ourProducts.forEach((product, index) => {
      expectAllClose(product, before[index] as number[], 1e-6, 'product');
    });
    await tf.setBackend('cpu');
    expect(Array.from(ours)).toEqual(Array.from(gatherGradient()));
  });
});
