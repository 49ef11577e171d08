// The library asks for it when it is loaded.
Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 1 }, configurable: true });
export const jax = await import('@jax-js/jax');
await jax.init();
jax.defaultDevice('wasm');

export const parameters = jax.numpy.ones([4, 100]);
export const batch = jax.numpy.ones([3, 4]);
export const logitsOf = (weights: typeof parameters, inputs: typeof batch) => jax.numpy.matmul(inputs, weights);
export const targets = [1, 2, 3];
