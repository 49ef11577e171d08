// Tensors of the wasm backend by their place in the module's heap. The heap is detached when it grows, so a view is good only
// until memory is allocated.
import * as tf from '@tensorflow/tfjs-core';

/** What is used of BackendWasm of @tensorflow/tfjs-backend-wasm; public there, but in a package that need not be installed. */
interface WasmBackend {
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array;
  makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo;
  incRef(dataId: tf.DataId): void;
}

function wasmBackend(): WasmBackend {
  return tf.backend() as unknown as WasmBackend;
}

/** Whether the backend in use is the wasm backend, as this file knows it. */
export function sharesWasmMemory(): boolean {
  if (tf.getBackend() !== 'wasm') return false;
  const backend = wasmBackend();
  return [backend.typedArrayFromHeap, backend.makeOutput, backend.incRef].every((each) => typeof each === 'function');
}

export function wasmView(tensor: tf.TensorInfo): Float32Array {
  return wasmBackend().typedArrayFromHeap(tensor);
}

/** A new float32 tensor with whatever numbers are in its memory. */
export function wasmOutput(shape: number[]): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(wasmBackend().makeOutput(shape, 'float32'));
}

/** Another tensor of the same memory, which stays until both are disposed. A clone would copy it. */
export function wasmAlias({ dataId, shape, dtype }: tf.Tensor): tf.Tensor {
  wasmBackend().incRef(dataId);
  return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype });
}
