// The numbers of tensors as arrays that the kernel reads and writes, without a copy where the backend allows it.
import * as tf from '@tensorflow/tfjs-core';
import { sharesWasmMemory, wasmAlias, wasmOutput, wasmView } from './tfjs-wasm-memory.js';

/** The numbers of a tensor that is an input. */
export interface TensorReader {
  /** A view that is good until memory is allocated. */
  values(): Float32Array;
  /** Keeps them until the gradient was asked for, as the tensor may be disposed before: by what is returned. */
  hold(): tf.Tensor[];
}

export function readerOf(tensor: tf.Tensor): TensorReader {
  return sharesWasmMemory() ? wasmReader(tensor) : hostReader(tensor);
}

// The cpu backend gives away the arrays of its tensors; others copy from them.
function hostReader(tensor: tf.Tensor): TensorReader {
  const values = tensor.dataSync() as Float32Array;
  return { values: () => values, hold: () => [] };
}

function wasmReader(tensor: tf.Tensor): TensorReader {
  let held = tensor;
  return {
    values: () => wasmView(held),
    hold: () => {
      held = tf.keep(wasmAlias(tensor));
      return [held];
    },
  };
}

/** New float32 tensors of these shapes, whose numbers `write` writes. */
export function fillTensors(shapes: readonly number[][], write: (views: Float32Array[]) => void): tf.Tensor[] {
  if (sharesWasmMemory()) {
    const tensors = shapes.map((shape) => wasmOutput(shape));
    write(tensors.map(wasmView));
    return tensors;
  }
  // The cpu backend takes over the arrays; others copy them.
  const arrays = shapes.map((shape) => new Float32Array(tf.util.sizeFromShape(shape)));
  write(arrays);
  return arrays.map((array, index) => tf.tensor(array, shapes[index], 'float32'));
}

/** Another tensor of the same memory. */
export function aliasOf(tensor: tf.Tensor): tf.Tensor {
  return sharesWasmMemory() ? wasmAlias(tensor) : tensor.clone();
}
