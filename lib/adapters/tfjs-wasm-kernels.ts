// What the wasm backend of TensorFlow.js lacks for training.
import * as tf from '@tensorflow/tfjs-core';
import { wasmView } from './tfjs-wasm-memory.js';

const BACKEND = 'wasm';

interface Memory {
  disposeData(dataId: tf.DataId): boolean;
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
}

/**
 * Registers two kernels of the wasm backend that training needs, in this process: the gradient of `tf.gather` (an embedding),
 * which it does not have, and a matrix product that transposes first, as its own is many times slower on transposed
 * arguments, which are those of every gradient of a matrix product.
 *
 * Call it once, after @tensorflow/tfjs-backend-wasm was imported; a second call does nothing. Kernels that a version of the
 * backend has by itself are left alone, but for the matrix product.
 *
 * @throws Error if the wasm backend's kernels are not registered
 *
 * @example
 * registerWasmTrainingKernels();
 */
export function registerWasmTrainingKernels(): void {
  const product = tf.getKernel('BatchMatMul', BACKEND);
  const transpose = tf.getKernel('Transpose', BACKEND);
  if (product == null || transpose == null) {
    throw new Error('fused-bear-loss/tfjs: import @tensorflow/tfjs-backend-wasm before registerWasmTrainingKernels()');
  }
  if (tf.getKernel('UnsortedSegmentSum', BACKEND) == null) {
    tf.registerKernel({ kernelName: 'UnsortedSegmentSum', backendName: BACKEND, kernelFunc: sumSegments });
  }
  if (amended.has(product.kernelFunc)) return;
  const kernelFunc = transposingProduct(product.kernelFunc, transpose.kernelFunc);
  amended.add(kernelFunc);
  tf.unregisterKernel('BatchMatMul', BACKEND);
  tf.registerKernel({ ...product, kernelFunc });
}

const amended = new WeakSet<tf.KernelFunc>();

/** Row i of the result is the sum of the rows of x whose id is i; ids outside are left out. */
const sumSegments: tf.KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const { numSegments } = attrs as unknown as { numSegments: number };
  if (segmentIds.shape.length !== 1) throw new Error('UnsortedSegmentSum on wasm: expected segment ids of rank 1');
  const width = x.shape.slice(1).reduce((product, extent) => product * extent, 1);
  // Memory first: to allocate may detach views.
  const out = (backend as unknown as Memory).makeOutput([numSegments, ...x.shape.slice(1)], x.dtype);
  const [values, ids, sums] = [wasmView(x), wasmView(segmentIds), wasmView(out)];
  sums.fill(0);
  ids.forEach((id, row) => {
    if (id < 0 || id >= numSegments) return;
    for (let column = 0; column < width; column++) {
      const at = id * width + column;
      sums[at] = (sums[at] as number) + (values[row * width + column] as number);
    }
  });
  return out;
};

function transposingProduct(product: tf.KernelFunc, transpose: tf.KernelFunc): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
    const temporary: tf.TensorInfo[] = [];
    const turned = (x: tf.TensorInfo) => {
      const last = x.shape.length - 1;
      const perm = x.shape.map((_, axis) => (axis === last ? last - 1 : axis === last - 1 ? last : axis));
      const result = transpose({ inputs: { x }, attrs: { perm }, backend }) as tf.TensorInfo;
      temporary.push(result);
      return result;
    };
    const plain = { a: transposeA ? turned(a) : a, b: transposeB ? turned(b) : b };
    const out = product({ inputs: plain, attrs: { transposeA: false, transposeB: false }, backend });
    for (const { dataId } of temporary) (backend as unknown as Memory).disposeData(dataId);
    return out;
  };
}
