// The objects of the entry `fused-bear-loss/cuda`. The other entries know no more of them than that: they name the entry
// to callers who pass one.
const names = new WeakMap<object, string>();

/** Registers an object of that entry. */
export function registerCudaObject(object: object, name: string): void {
  names.set(object, name);
}

/** `a DeviceTensor` or `a CudaStream`; undefined for every other value. Runs no code of the value's. */
export function cudaObjectName(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? names.get(value) : undefined;
}
