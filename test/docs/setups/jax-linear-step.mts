// The library asks for it when it is loaded.
Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 1 }, configurable: true });
export const jax = await import('@jax-js/jax');
await jax.init();
jax.defaultDevice('wasm');

export const parameters = { trunk: jax.numpy.ones([4, 4]), weight: jax.numpy.ones([100, 4]) };
export const batch = jax.numpy.ones([3, 4]);
export const factorsOf = ({ trunk, weight }: typeof parameters, inputs: typeof batch) => ({
  hidden: jax.numpy.tanh(jax.numpy.matmul(inputs, trunk)),
  weight,
});
export const targets = [1, 2, 3];
