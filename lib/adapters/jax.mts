export * from './jax.js';
