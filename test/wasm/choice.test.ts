import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { libc } from '../../lib/native/target';
import { loadFailure, loadWith } from './support';

let folder: string;
let emitted: unknown[][];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-choice-'));
  process.env.FUSED_BEAR_LOSS_PREBUILD = folder;
  emitted = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => {
    emitted.push(args);
  });
});

afterEach(() => {
  jest.restoreAllMocks();
  delete process.env.FUSED_BEAR_LOSS_PREBUILD;
  rmSync(folder, { recursive: true });
});

function putBrokenPrebuild(): void {
  const target = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
  const tag = process.platform === 'linux' ? `.${libc()}` : '';
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, `fused-bear-loss${tag}.node`), 'no library');
}

describe('the choice of what computes', () => {
  it('is the native addon where there is one', () => {
    delete process.env.FUSED_BEAR_LOSS_PREBUILD;
    const { capabilities } = loadWith(undefined);
    expect(capabilities().backend).toBe('native');
    expect(capabilities()).not.toHaveProperty('reason');
    expect(loadWith('native').capabilities().backend).toBe('native');
  });

  it('is the module where no addon is shipped, without a warning', () => {
    const { capabilities, fusedBearLoss } = loadWith(undefined);
    expect(capabilities()).toMatchObject({ backend: 'wasm', reason: expect.stringContaining('no native addon') });
    expect(fusedBearLoss(new Float32Array(5), [1]).countedRows).toBe(1);
    expect(emitted).toEqual([]);
  });

  it('is the module where an addon is there and cannot be used, and one warning says so', () => {
    putBrokenPrebuild();
    const { capabilities, fusedBearLoss } = loadWith(undefined);
    fusedBearLoss(new Float32Array(5), [1]);
    expect(capabilities()).toMatchObject({ backend: 'wasm', reason: expect.stringContaining('cannot be used') });
    expect(emitted).toEqual([
      [
        expect.stringContaining(folder),
        expect.objectContaining({ code: 'BEAR_BACKEND', type: 'FusedBearLossWarning' }),
      ],
    ]);
  });

  it('is the module where it is forced, whatever addon there is', () => {
    delete process.env.FUSED_BEAR_LOSS_PREBUILD;
    expect(loadWith('wasm').capabilities()).toMatchObject({ backend: 'wasm', reason: expect.stringContaining('wasm') });
    expect(emitted).toEqual([]);
  });

  it('throws where the addon is forced and cannot be had', () => {
    expect(loadFailure('native').code).toBe('ERR_BEAR_ADDON_NOT_FOUND');
    putBrokenPrebuild();
    expect(loadFailure('native').code).toBe('ERR_BEAR_ADDON_NOT_FOUND');
  });

  it('throws at a name that is no backend', () => {
    const { code, message } = loadFailure('cuda');
    expect(code).toBe('ERR_BEAR_BACKEND_UNKNOWN');
    expect(message).toContain('"cuda"');
  });
});

describe('a runtime that cannot run the module', () => {
  const globals = globalThis as unknown as { WebAssembly: unknown };
  const { WebAssembly } = globals;
  afterEach(() => {
    globals.WebAssembly = WebAssembly;
  });

  class Refusing {
    constructor() {
      throw new Error("Refused to compile: neither 'wasm-unsafe-eval' nor 'unsafe-eval' is allowed");
    }
  }

  it.each<[string, object, string, string]>([
    ['has no SIMD', { validate: () => false }, 'ERR_BEAR_WASM_UNSUPPORTED', 'SIMD'],
    ['may not compile', { validate: () => true, Module: Refusing }, 'ERR_BEAR_WASM_BLOCKED', 'Content-Security-Policy'],
    [
      'has no memory',
      { validate: () => true, Module: class {}, Instance: Refusing },
      'ERR_BEAR_WASM_OUT_OF_MEMORY',
      'memory',
    ],
  ])('and %s: says so by its code', (_what, webAssembly, code, says) => {
    globals.WebAssembly = webAssembly;
    for (const backend of ['wasm', undefined]) {
      const failure = loadFailure(backend);
      expect(failure.code).toBe(code);
      expect(failure.message).toContain(says);
    }
    // Why it is not the addon is the other half of the story.
    expect(loadFailure(undefined).message).toContain('no native addon');
  });

  it('as Node under --jitless', () => {
    const program = `try { require('.').capabilities() } catch ({ code }) { console.log(code) }`;
    const env = { ...process.env, FUSED_BEAR_LOSS_BACKEND: 'wasm' };
    const { stdout } = spawnSync(process.execPath, ['--jitless', '-e', program], {
      cwd: resolve(__dirname, '../..'),
      env,
    });
    expect(String(stdout).trim()).toBe('ERR_BEAR_WASM_UNAVAILABLE');
  });
});
