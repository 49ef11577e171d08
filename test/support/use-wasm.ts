/** Setup file of the jest project `wasm`: the package computes on the WebAssembly module. */
process.env.FUSED_BEAR_LOSS_BACKEND = 'wasm';
process.env.FUSED_BEAR_LOSS_TEST_DEVICE = 'wasm';
