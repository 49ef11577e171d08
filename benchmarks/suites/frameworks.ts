// npm run bench -- --suite frameworks: the adapters, beside the operations of the frameworks alone.
import os from 'node:os';
import type * as JaxModule from '@jax-js/jax';
import type * as Tfjs from '@tensorflow/tfjs-core';
import { fusedBearLoss, fusedLinearBearLoss } from 'fused-bear-loss';
import { openJax, openJaxCrossEntropy } from '../peers/jax';
import {
  openTfjs,
  openTfjsLayer,
  registerTrainingKernels,
  type Tf,
  type TfjsBackend,
  type TfjsLayer,
  tfjsCrossEntropy,
} from '../peers/tfjs';
import { torchOfLogits } from './given-logits';
import { hiddenStates, type LinearShape, logitsOf, targetsOf, touched, weights } from './inputs';
import {
  lazily,
  type OpenContender,
  type Suite,
  type SuiteCase,
  type SuiteContender,
  type SuiteSize,
  timed,
} from './suite';

// Its imports are the frameworks themselves, which may not be there.
const adapter = () => import('fused-bear-loss/tfjs');

const ofLogits = 'fusedBearLoss into a given array';
const linearForm = 'fusedLinearBearLoss into given arrays';

/** Loss and gradient of logits that are a tensor. */
async function openTfjsLoss(
  backend: TfjsBackend,
  { rows, vocabSize }: LinearShape,
  logits: Float32Array,
  loss: (tf: Tf, logits: Tfjs.Tensor) => Tfjs.Scalar,
): Promise<OpenContender> {
  const tf = await openTfjs(backend);
  const tensor = tf.tensor2d(logits, [rows, vocabSize]);
  const step = tf.valueAndGrad((x) => loss(tf, x as Tfjs.Tensor));
  return {
    run: async () => {
      await tf.setBackend(backend);
      const start = performance.now();
      const { value, grad } = step(tensor);
      const found = value.dataSync()[0] as number;
      const milliseconds = performance.now() - start;
      tf.dispose([value, grad]);
      return { milliseconds, loss: found };
    },
    close: () => tensor.dispose(),
  };
}

function givenLogitsContenders(shape: LinearShape): SuiteContender[] {
  const { rows, vocabSize } = shape;
  const logits = lazily(() => logitsOf(rows, vocabSize));
  const targets = targetsOf(rows, vocabSize);
  const ofTfjs = (backend: TfjsBackend): SuiteContender[] => [
    {
      name: `tfjs ${backend}, bearLoss`,
      peer: 'tfjs',
      computes: 'BEAR',
      open: async () => {
        const { bearLoss } = await adapter();
        return openTfjsLoss(backend, shape, logits(), (_, x) => bearLoss(x, targets));
      },
    },
    {
      name: `tfjs ${backend}, bearLoss times 2`,
      peer: 'tfjs',
      computes: 'BEAR times 2',
      open: async () => {
        const { bearLoss } = await adapter();
        return openTfjsLoss(backend, shape, logits(), (tf, x) => tf.mul(bearLoss(x, targets), 2));
      },
    },
    {
      name: `tfjs ${backend}, cross-entropy of its own operations`,
      peer: 'tfjs',
      computes: 'cross-entropy',
      mostRounds: backend === 'cpu' ? 1 : 5,
      open: () => openTfjsLoss(backend, shape, logits(), (tf, x) => tfjsCrossEntropy(tf, x, targets)),
    },
  ];
  return [
    {
      name: ofLogits,
      computes: 'BEAR',
      open: () => {
        const values = logits();
        const options = { vocabSize, out: { gradLogits: touched(rows * vocabSize) } };
        return timed(() => fusedBearLoss(values, targets, options));
      },
    },
    ...ofTfjs('wasm'),
    ...ofTfjs('cpu'),
    ...torchOfLogits(shape, os.availableParallelism()),
  ];
}

function givenLogits(shape: LinearShape): SuiteCase {
  const { rows, vocabSize } = shape;
  return {
    name: `given logits, ${rows} x ${vocabSize}`,
    parameters: { N: rows, V: vocabSize },
    reference: ofLogits,
    contenders: () => givenLogitsContenders(shape),
  };
}

type JaxStep<Parameters> = ((
  parameters: Parameters,
  batch: JaxModule.Array,
  targets: Int32Array,
) => Promise<{ loss: number | Float32Array; gradients: JaxModule.Array }>) & { dispose(): void };

interface Factors {
  hidden: Float32Array;
  weight: Float32Array;
}

/** A step whose only parameters are the weights [V, H]; the hidden states are the batch. */
async function openJaxStep(
  { rows, vocabSize, hiddenSize }: LinearShape,
  { hidden, weight }: Factors,
  targets: Int32Array,
  makeStep: (jax: typeof JaxModule) => Promise<JaxStep<JaxModule.Array>>,
): Promise<OpenContender> {
  const jax = await openJax();
  const { numpy: np } = jax;
  const inputs = np.array(hidden as Float32Array<ArrayBuffer>).reshape([rows, hiddenSize]);
  const parameters = np.array(weight as Float32Array<ArrayBuffer>).reshape([vocabSize, hiddenSize]);
  const step = await makeStep(jax);
  return {
    run: async () => {
      const start = performance.now();
      const { loss, gradients } = await step(parameters, inputs, targets);
      (await gradients.blockUntilReady()).dispose();
      return { milliseconds: performance.now() - start, loss: loss as number };
    },
    close: () => {
      inputs.dispose();
      parameters.dispose();
      step.dispose();
    },
  };
}

function layerCase(
  name: string,
  shape: LinearShape,
  contendersOf: (factors: () => Factors, targets: Int32Array) => SuiteContender[],
): SuiteCase {
  const { rows, vocabSize, hiddenSize } = shape;
  const contenders = () => {
    const targets = targetsOf(rows, vocabSize);
    const factors = lazily(() => ({ hidden: hiddenStates(shape), weight: weights(shape) }));
    const reference: SuiteContender = {
      name: linearForm,
      computes: 'BEAR',
      open: () => {
        const { hidden, weight } = factors();
        const out = { gradHidden: touched(rows * hiddenSize), gradWeight: touched(vocabSize * hiddenSize) };
        return timed(() => fusedLinearBearLoss(hidden, weight, targets, { hiddenSize, out }));
      },
    };
    return [reference, ...contendersOf(factors, targets)];
  };
  return {
    name: `${name}, ${rows} x ${vocabSize} x ${hiddenSize}`,
    parameters: { N: rows, V: vocabSize, H: hiddenSize },
    reference: linearForm,
    contenders,
  };
}

async function productLayer(targets: Int32Array): Promise<TfjsLayer> {
  const { bearLoss } = await adapter();
  return (tf, x, w) => bearLoss(tf.matMul(x, w, false, true), targets);
}

async function linearLayer(targets: Int32Array): Promise<TfjsLayer> {
  const { linearBearLoss } = await adapter();
  return (_, x, w) => linearBearLoss(x, w, targets);
}

/** Comes first: the kernels that the next case registers stay. */
function withoutKernels(shape: LinearShape): SuiteCase {
  return layerCase('linear layer, tfjs wasm as it is', shape, (factors, targets) => [
    {
      name: 'tfjs wasm, bearLoss of a product',
      peer: 'tfjs',
      computes: 'BEAR',
      mostRounds: 5,
      open: async () => openTfjsLayer('wasm', shape, factors(), await productLayer(targets)),
    },
  ]);
}

function withKernels(shape: LinearShape): SuiteCase {
  return layerCase('linear layer', shape, (factors, targets) => [
    {
      name: 'tfjs wasm, bearLoss of a product',
      peer: 'tfjs',
      computes: 'BEAR',
      open: async () => {
        await registerTrainingKernels();
        return openTfjsLayer('wasm', shape, factors(), await productLayer(targets));
      },
    },
    {
      name: 'tfjs wasm, linearBearLoss',
      peer: 'tfjs',
      computes: 'BEAR',
      open: async () => openTfjsLayer('wasm', shape, factors(), await linearLayer(targets)),
    },
    {
      name: 'tfjs cpu, linearBearLoss',
      peer: 'tfjs',
      computes: 'BEAR',
      open: async () => openTfjsLayer('cpu', shape, factors(), await linearLayer(targets)),
    },
    {
      name: 'tfjs wasm, cross-entropy of its own operations',
      peer: 'tfjs',
      computes: 'cross-entropy',
      mostRounds: 5,
      open: () =>
        openTfjsLayer('wasm', shape, factors(), (tf, x, w) =>
          tfjsCrossEntropy(tf, tf.matMul(x, w, false, true), targets),
        ),
    },
    {
      name: 'jax-js, bearLossStep',
      peer: 'jax-js',
      computes: 'BEAR',
      open: () =>
        openJaxStep(shape, factors(), targets, async (jax) => {
          const { bearLossStep } = await import('fused-bear-loss/jax');
          return bearLossStep(jax, (w: JaxModule.Array, x: JaxModule.Array) => jax.numpy.matmul(x, w.transpose()));
        }),
    },
    {
      name: 'jax-js, linearBearLossStep',
      peer: 'jax-js',
      computes: 'BEAR',
      open: () =>
        openJaxStep(shape, factors(), targets, async (jax) => {
          const { linearBearLossStep } = await import('fused-bear-loss/jax');
          return linearBearLossStep(jax, (weight: JaxModule.Array, hidden: JaxModule.Array) => ({ hidden, weight }));
        }),
    },
    {
      name: 'jax-js, cross-entropy of its own operations',
      peer: 'jax-js',
      computes: 'cross-entropy',
      mostRounds: 5,
      open: () => openJaxCrossEntropy(shape, { ...factors(), targets }),
    },
  ]);
}

const shapes: Record<SuiteSize, LinearShape> = {
  full: { rows: 256, vocabSize: 32000, hiddenSize: 64 },
  quick: { rows: 8, vocabSize: 1000, hiddenSize: 8 },
};

export const frameworks: Suite = {
  name: 'frameworks',
  description: 'a training step of TensorFlow.js and of jax-js, with the adapters and by their own operations; PyTorch',
  legend:
    'float32, B = 10, loss and gradients. A linear layer: the gradients of hidden states and weights, in the steps of jax-js ' +
    'those of the weights. tfjs and jax-js compute in one thread, this package and PyTorch in all.',
  listCases: ({ size }) => [withoutKernels(shapes[size]), withKernels(shapes[size]), givenLogits(shapes[size])],
  targets: [],
};
