// The compiled module and its one instance. Nothing is compiled before the first call.

/** The functions of native/wasm/module.cc. Pointers are numbers; 0 is null. */
export interface ModuleExports {
  memory: { readonly buffer: ArrayBuffer };
  reserve(bytes: number, longestRow: number, width: number): number;
  find_fault(numbers: number, arrays: number, tokens: number, report: number): void;
  find_constraint_fault(rows: number, vocabSize: number, offsets: number, tokens: number, report: number): void;
  divisor(numbers: number, countedRows: number, weights: number): number;
  compute_rows(
    numbers: number,
    arrays: number,
    rowOffsets: number,
    wide: number,
    divisor: number,
    sums: number,
    nonFiniteRows: number,
  ): void;
  top_tokens(
    numbers: number,
    logits: number,
    wide: number,
    offsets: number,
    tokens: number,
    bitmask: number,
    outTokens: number,
    logProbabilities: number,
    logSumExp: number,
  ): void;
  name_table(index: number): number;
}

/** How a call ends that the module has no memory for. */
export const OUT_OF_MEMORY = { status: 'module-out-of-memory' } as const;

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

// Neither of the libraries that this package is compiled with has WebAssembly's names.
interface WebAssemblyNames {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
}

// Memory of a module never shrinks. One that a call with very long rows has made larger than this is let go.
const MOST_KEPT_BYTES = 64 * 1024 * 1024;

let compiled: object | undefined;
let instance: ModuleExports | undefined;

/** The module, ready to be called. Throws an Error with a {@link WasmErrorCode}. */
export function moduleExports(): ModuleExports {
  instance ??= instantiate();
  return instance;
}

/** After a call: lets the memory go where it is much larger than usual. */
export function releaseLargeMemory(): void {
  if (instance !== undefined && instance.memory.buffer.byteLength > MOST_KEPT_BYTES) instance = undefined;
}

/** After a trap, which leaves a module in the middle of something. */
export function dropModule(): void {
  instance = undefined;
}

/** Whether the module gave up for want of memory: it has no other way to. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'RuntimeError' && /unreachable/i.test(error.message);
}

function instantiate(): ModuleExports {
  const webAssembly = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyNames | undefined;
  if (webAssembly === undefined) {
    throw wasmError('ERR_BEAR_WASM_UNAVAILABLE', 'this runtime has no WebAssembly (Node has none under --jitless)');
  }
  compiled ??= compile(webAssembly);
  try {
    return new webAssembly.Instance(compiled, {}).exports as ModuleExports;
  } catch (error) {
    throw wasmError('ERR_BEAR_WASM_OUT_OF_MEMORY', `the WebAssembly module gets no memory: ${messageOf(error)}`, error);
  }
}

function compile(webAssembly: WebAssemblyNames): object {
  const bytes = readBytes();
  if (!webAssembly.validate(bytes)) {
    throw wasmError('ERR_BEAR_WASM_UNSUPPORTED', 'the WebAssembly of this runtime has no SIMD (vectors of 128 bits)');
  }
  try {
    return new webAssembly.Module(bytes);
  } catch (error) {
    const message = `this runtime may not compile WebAssembly (a Content-Security-Policy needs 'wasm-unsafe-eval'): ${messageOf(error)}`;
    throw wasmError('ERR_BEAR_WASM_BLOCKED', message, error);
  }
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

function wasmError(code: WasmErrorCode, message: string, cause?: unknown): Error & { code: WasmErrorCode } {
  return Object.assign(new Error(`fused-bear-loss: ${message}`, { cause }), { code });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
