// TensorFlow.js by its own operations: what its users have without an adapter.
import type * as Tfjs from '@tensorflow/tfjs-core';
import type { LinearShape } from '../suites/inputs';
import type { OpenContender } from '../suites/suite';

export type Tf = typeof Tfjs;
export type TfjsBackend = 'cpu' | 'wasm';

function load(): Tf | undefined {
  try {
    const tf = require('@tensorflow/tfjs-core') as Tf;
    require('@tensorflow/tfjs-core/dist/register_all_gradients');
    require('@tensorflow/tfjs-backend-cpu');
    require('@tensorflow/tfjs-backend-wasm');
    return tf;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

export function tfjsVersion(): string | undefined {
  const tf = load();
  return tf && `${tf.version_core}, 1 thread`;
}

export async function openTfjs(backend: TfjsBackend): Promise<Tf> {
  const tf = load() as Tf;
  await tf.setBackend(backend);
  return tf;
}

/** Without these kernels the wasm backend's products of transposed matrices take many times as long. They stay. */
export async function registerTrainingKernels(): Promise<void> {
  await openTfjs('wasm');
  (await import('fused-bear-loss/tfjs')).registerWasmTrainingKernels();
}

/** Cross-entropy, mean over the rows. */
export function tfjsCrossEntropy(tf: Tf, logits: Tfjs.Tensor, targets: Int32Array): Tfjs.Scalar {
  const vocabSize = logits.shape.at(-1) as number;
  const oneHot = tf.oneHot(tf.tensor1d(targets, 'int32'), vocabSize);
  return tf.div(tf.sum(tf.mul(tf.logSoftmax(logits as Tfjs.Tensor2D), oneHot)), -targets.length);
}

/** A loss of hidden states and of weights [V, H], with the gradients of both. */
export type TfjsLayer = (tf: Tf, hidden: Tfjs.Tensor2D, weight: Tfjs.Tensor2D) => Tfjs.Scalar;

/** Loss and gradients of a layer, from arrays; what the tensors take is freed when it is closed. */
export async function openTfjsLayer(
  backend: TfjsBackend,
  { rows, vocabSize, hiddenSize }: LinearShape,
  { hidden, weight }: { hidden: Float32Array; weight: Float32Array },
  layer: TfjsLayer,
): Promise<OpenContender> {
  const tf = await openTfjs(backend);
  const x = tf.tensor2d(hidden, [rows, hiddenSize]);
  const w = tf.tensor2d(weight, [vocabSize, hiddenSize]);
  const step = tf.valueAndGrads((a, b) => layer(tf, a as Tfjs.Tensor2D, b as Tfjs.Tensor2D));
  return {
    run: async () => {
      await tf.setBackend(backend);
      const start = performance.now();
      const { value, grads } = step([x, w]);
      const loss = value.dataSync()[0] as number;
      const milliseconds = performance.now() - start;
      for (const tensor of [value, ...grads]) tensor.dispose();
      return { milliseconds, loss };
    },
    close: () => {
      x.dispose();
      w.dispose();
    },
  };
}
