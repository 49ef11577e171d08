// What the runtime has for WebAssembly, the module's bytes, and how either can be missing.

export type WasmErrorCode =
  /** This package was packed without the module. */
  | 'ERR_BEAR_WASM_NOT_FOUND'
  /** The runtime has no WebAssembly, as under --jitless. */
  | 'ERR_BEAR_WASM_UNAVAILABLE'
  /** The runtime's WebAssembly lacks vectors of 128 bits. */
  | 'ERR_BEAR_WASM_UNSUPPORTED'
  /** The runtime may not compile it: a Content-Security-Policy without 'wasm-unsafe-eval'. */
  | 'ERR_BEAR_WASM_BLOCKED'
  /** The runtime has no memory for it. */
  | 'ERR_BEAR_WASM_OUT_OF_MEMORY';

/** A compiled module. */
export type CompiledModule = object;

// Neither of the libraries that this package is compiled with has WebAssembly's names.
interface WebAssemblyNames {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<CompiledModule>;
  Module: new (bytes: Uint8Array) => CompiledModule;
  Instance: new (module: CompiledModule, imports: object) => { exports: unknown };
}

export function webAssembly(): WebAssemblyNames {
  const names = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyNames | undefined;
  if (names !== undefined) return names;
  throw wasmError('ERR_BEAR_WASM_UNAVAILABLE', 'this runtime has no WebAssembly (Node has none under --jitless)');
}

/** The bytes to compile, which the runtime has the instructions of. */
export function moduleBytes(): Uint8Array {
  const { validate } = webAssembly();
  const bytes = readBytes();
  if (validate(bytes)) return bytes;
  throw wasmError('ERR_BEAR_WASM_UNSUPPORTED', 'the WebAssembly of this runtime has no SIMD (vectors of 128 bits)');
}

function readBytes(): Uint8Array {
  let base64: string;
  try {
    // From lib/ and from dist/ the same file, which scripts/build-wasm.cjs writes.
    ({ base64 } = require('../../dist/wasm/module-bytes.js') as { base64: string });
  } catch (error) {
    throw wasmError('ERR_BEAR_WASM_NOT_FOUND', 'this package was packed without its WebAssembly module', error);
  }
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** For what the runtime throws instead of compiling. */
export function blockedError(error: unknown): Error {
  const message = `this runtime may not compile WebAssembly (a Content-Security-Policy needs 'wasm-unsafe-eval'): ${messageOf(error)}`;
  return wasmError('ERR_BEAR_WASM_BLOCKED', message, error);
}

export function memoryError(error: unknown): Error {
  return wasmError('ERR_BEAR_WASM_OUT_OF_MEMORY', `the WebAssembly module gets no memory: ${messageOf(error)}`, error);
}

function wasmError(code: WasmErrorCode, message: string, cause?: unknown): Error & { code: WasmErrorCode } {
  return Object.assign(new Error(`fused-bear-loss: ${message}`, { cause }), { code });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
