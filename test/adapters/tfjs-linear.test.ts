import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { bearLoss, linearBearLoss, type TfjsLinearBearLossOptions } from '../../lib/adapters/tfjs';
import * as kernel from '../../lib/linear/fused-linear-bear-loss';
import { csrOf } from '../support/allowed-tokens';
import { SeededRandom } from '../support/random';
import { expectAllClose } from '../support/tolerance';

jest.mock('../../lib/linear/fused-linear-bear-loss', () => {
  const original = jest.requireActual('../../lib/linear/fused-linear-bear-loss');
  return { ...original, fusedLinearBearLoss: jest.fn(original.fusedLinearBearLoss) };
});
const called = kernel.fusedLinearBearLoss as unknown as jest.Mock;

const [N, H, V] = [6, 5, 40];
const random = new SeededRandom(11);
const host = { hidden: random.normals(N * H, 2), weight: random.normals(V * H), bias: random.normals(V) };
const targets = Int32Array.from([3, 39, 0, -100, 7, 12]);
const allowed = csrOf(
  Array.from(targets, (target) => [...new Set([5, 20, 31, Math.max(0, target)])].sort((a, b) => a - b)),
);
const entryBias = random.normals(allowed.tokens.length);

const hiddenTensor = () => tf.tensor2d(host.hidden, [N, H]);
const weightTensor = () => tf.tensor2d(host.weight, [V, H]);
const biasTensor = () => tf.tensor1d(host.bias);

/** The same of operations of tfjs and of the loss of logits. */
function unfused(hidden: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, options: object): tf.Tensor {
  const logits = tf.add(tf.matMul(hidden as tf.Tensor2D, weight as tf.Tensor2D, false, true), bias);
  return bearLoss(logits, targets, options);
}

function expectTensors(actual: tf.Tensor[], expected: tf.Tensor[]): void {
  expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
  actual.forEach((tensor, index) => {
    expectAllClose(tensor.dataSync(), (expected[index] as tf.Tensor).dataSync(), 1e-5, `gradient ${index}`);
  });
}

beforeEach(() => called.mockClear());

describe.each(['cpu', 'wasm'])('linearBearLoss of tfjs on %s', (backend) => {
  beforeAll(async () => {
    expect(await tf.setBackend(backend)).toBe(true);
    await tf.ready();
  });

  const inputs = () => [hiddenTensor(), weightTensor(), biasTensor()];
  const gradientsOf = (loss: (...inputs: tf.Tensor[]) => tf.Tensor, of = inputs()) =>
    tf.valueAndGrads((...given) => loss(...given) as tf.Scalar)(of);

  it.each<[string, TfjsLinearBearLossOptions]>([
    ['by default', {}],
    ['with a penalty, a beam and smoothing', { penalty: 'log-sigmoid', beamWidth: 3, lambda: 1, labelSmoothing: 0.1 }],
    ['summed', { reduction: 'sum', temperature: 0.7 }],
    ['under a constraint', { allowed }],
  ])('has the gradients of the unfused operations %s', (_, options) => {
    const ours = gradientsOf((x, w, bias) =>
      linearBearLoss(x as tf.Tensor, w as tf.Tensor, targets, { ...options, bias }),
    );
    const theirs = gradientsOf((x, w, bias) => unfused(x as tf.Tensor, w as tf.Tensor, bias as tf.Tensor, options));
    expectTensors([ours.value, ...ours.grads], [theirs.value, ...theirs.grads]);
    expect(called).toHaveBeenCalledTimes(1);
  });

  it('has the gradient of the bias of list entries', () => {
    const lossOf = (bias: tf.Tensor) =>
      linearBearLoss(hiddenTensor(), weightTensor(), targets, { allowed: { ...allowed, bias } });
    const gradient = tf.grad(lossOf)(tf.tensor1d(entryBias)).dataSync();
    const step = 1e-2;
    const differences = Array.from(entryBias, (_, entry) => {
      const at = (change: number) =>
        lossOf(tf.tensor1d(entryBias.map((value, index) => (index === entry ? value + change : value)))).dataSync()[0];
      return ((at(step) as number) - (at(-step) as number)) / (2 * step);
    });
    expectAllClose(gradient, differences, 1e-3, 'gradient');
    expect(gradient.some((value) => value !== 0)).toBe(true);
  });

  it('multiplies the gradients by what is multiplied to the loss, without another call', () => {
    const ours = gradientsOf((x, w, bias) =>
      tf.mul(linearBearLoss(x as tf.Tensor, w as tf.Tensor, targets, { bias }), -2.5),
    );
    const theirs = gradientsOf((x, w, bias) =>
      tf.mul(unfused(x as tf.Tensor, w as tf.Tensor, bias as tf.Tensor, {}), -2.5),
    );
    expectTensors([ours.value, ...ours.grads], [theirs.value, ...theirs.grads]);
    expect(called).toHaveBeenCalledTimes(1);
  });

  it('gives a loss for each row, and takes an upstream gradient for each', () => {
    const factors = tf.tensor1d([1, 0, -2, 3, 0.5, 1]);
    const weighted = (loss: tf.Tensor) => tf.sum(tf.mul(loss, factors));
    const options = { reduction: 'none' } as const;
    const ours = gradientsOf((x, w, bias) =>
      weighted(linearBearLoss(x as tf.Tensor, w as tf.Tensor, targets, { ...options, bias })),
    );
    const theirs = gradientsOf((x, w, bias) =>
      weighted(unfused(x as tf.Tensor, w as tf.Tensor, bias as tf.Tensor, options)),
    );
    expectTensors([ours.value, ...ours.grads], [theirs.value, ...theirs.grads]);
    const rows = linearBearLoss(tf.reshape(hiddenTensor(), [2, 3, H]), weightTensor(), targets, options);
    expect(rows.shape).toEqual([2, 3]);
  });

  it('gives the gradient of hidden states that are an intermediate result', () => {
    const lossOf = (loss: typeof unfused) => (x: tf.Tensor) =>
      tf.mul(
        tf.tidy(() => loss(tf.tanh(x), weightTensor(), biasTensor(), {})),
        2,
      );
    const ours = tf.grad(lossOf((x, w, bias) => linearBearLoss(x, w, targets, { bias })))(hiddenTensor());
    const theirs = tf.grad(lossOf(unfused))(hiddenTensor());
    expectTensors([ours], [theirs]);
    const byRow = tf.grad(lossOf((x, w, bias) => tf.sum(linearBearLoss(x, w, targets, { bias, reduction: 'none' }))));
    const total = tf.grad(lossOf((x, w, bias) => linearBearLoss(x, w, targets, { bias, reduction: 'sum' })));
    expectTensors([byRow(hiddenTensor())], [total(hiddenTensor())]);
  });

  it('reads the inputs and writes the gradients where the tensors have them', () => {
    const [x, w] = [hiddenTensor(), weightTensor()];
    const gradients = tf.grads((a, b) => linearBearLoss(a, b, targets))([x, w]);
    const [{ data: hidden }, { data: weight }, , { out }] = called.mock.lastCall;
    const used = [hidden, weight, out.gradHidden, out.gradWeight] as Float32Array[];
    const tensors = [x, w, ...gradients];
    if (backend === 'cpu') {
      used.forEach((array, index) => {
        expect(array).toBe((tensors[index] as tf.Tensor).dataSync());
      });
      return;
    }
    const wasm = tf.backend() as unknown as { typedArrayFromHeap(tensor: tf.Tensor): Float32Array };
    used.forEach((array, index) => {
      const live = wasm.typedArrayFromHeap(tensors[index] as tf.Tensor);
      expect(array.buffer).toBe(live.buffer);
      expect([array.byteOffset, array.length]).toEqual([live.byteOffset, live.length]);
    });
  });

  it('computes no gradient where none is asked for', () => {
    const loss = linearBearLoss(hiddenTensor(), weightTensor(), targets, { bias: biasTensor() });
    const [, , , options] = called.mock.lastCall;
    expect(options).toMatchObject({ needs: [] });
    const same = unfused(hiddenTensor(), weightTensor(), biasTensor(), {});
    expect(loss.dataSync()[0]).toBeCloseTo(same.dataSync()[0] as number, 5);
  });

  it('leaves no tensors behind', () => {
    const [x, w] = [hiddenTensor(), weightTensor()];
    const before = { ...tf.memory(), ids: tf.backend().numDataIds() };
    const lossOf = (more: object) => (a: tf.Tensor) => tf.sum(tf.mul(linearBearLoss(a, w, targets, more), 3));
    const rounds = [
      () =>
        tf
          .grad((a) => linearBearLoss(a, w, targets))(x)
          .dispose(),
      () => tf.grad(lossOf({}))(x).dispose(),
      () =>
        tf
          .grad(lossOf({ reduction: 'none' }))(x)
          .dispose(),
      () => linearBearLoss(x, w, targets).dispose(),
      // A loss that is computed and not differentiated.
      () =>
        tf
          .grad((a) => {
            linearBearLoss(a, w, targets);
            return tf.sum(a);
          })(x)
          .dispose(),
      () => expect(() => tf.grad((a) => linearBearLoss(a, w, [1]))(x)).toThrow('targets'),
    ];
    for (const round of [...rounds, ...rounds]) tf.tidy(() => void round());
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
    expect(tf.backend().numDataIds()).toBe(before.ids);
  });

  it('trains an embedding and a bias with an optimizer', () => {
    const [weight, bias] = [tf.variable(weightTensor()), tf.variable(tf.zeros([V]))];
    const optimizer = tf.train.adam(0.3);
    const losses = Array.from({ length: 20 }, () =>
      tf.tidy(() => {
        const loss = optimizer.minimize(() => linearBearLoss(hiddenTensor(), weight, targets, { bias }), true);
        return (loss as tf.Scalar).dataSync()[0] as number;
      }),
    );
    expect(losses[19]).toBeLessThan((losses[0] as number) / 2);
    weight.dispose();
    bias.dispose();
  });

  it('tells what else the kernel found', () => {
    const onStatistics = jest.fn();
    linearBearLoss(hiddenTensor(), weightTensor(), targets, { onStatistics, rows: true });
    const expected = kernel.fusedLinearBearLoss(host.hidden, host.weight, targets, {
      hiddenSize: H,
      rows: true,
      needs: [],
    });
    const { loss: _, ...statistics } = expected;
    expect(onStatistics).toHaveBeenCalledTimes(1);
    expect(onStatistics.mock.lastCall[0]).toEqual(statistics);
  });

  it.each<[string, (...args: never[]) => unknown, string, string]>([
    [
      'an option that it decides itself',
      () => linearBearLoss(hiddenTensor(), weightTensor(), targets, { needs: [] } as never),
      'ERR_BEAR_OPTION_UNKNOWN',
      'needs',
    ],
    [
      'an option that does not exist',
      () => linearBearLoss(hiddenTensor(), weightTensor(), targets, { beam: 2 } as never),
      'ERR_BEAR_OPTION_UNKNOWN',
      'beam',
    ],
    [
      'no options',
      () => linearBearLoss(hiddenTensor(), weightTensor(), targets, null as never),
      'ERR_BEAR_ARGUMENT_TYPE',
      'options',
    ],
    [
      'weights that are no tensor',
      () => linearBearLoss(hiddenTensor(), host.weight as never, targets),
      'ERR_BEAR_ARGUMENT_TYPE',
      'weight',
    ],
    [
      'a bias that is no tensor',
      () => linearBearLoss(hiddenTensor(), weightTensor(), targets, { bias: host.bias as never }),
      'ERR_BEAR_ARGUMENT_TYPE',
      'bias',
    ],
    [
      'a bias of entries that is no tensor',
      () =>
        linearBearLoss(hiddenTensor(), weightTensor(), targets, { allowed: { ...allowed, bias: entryBias as never } }),
      'ERR_BEAR_ARGUMENT_TYPE',
      'allowed.bias',
    ],
    [
      'weights [H, V]',
      () => linearBearLoss(hiddenTensor(), tf.transpose(weightTensor()), targets),
      'ERR_BEAR_SHAPE',
      'hidden.shape',
    ],
    [
      'a constraint of another kind',
      () => linearBearLoss(hiddenTensor(), weightTensor(), targets, { allowed: 5 as never }),
      'ERR_BEAR_ARGUMENT_TYPE',
      'allowed',
    ],
    ['too few targets', () => linearBearLoss(hiddenTensor(), weightTensor(), [1]), 'ERR_BEAR_SHAPE', 'targets'],
  ])('refuses %s', (_, call, code, argument) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});
