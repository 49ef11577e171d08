import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import * as os from 'node:os';
import { dirname, join, relative } from 'node:path';
import type * as Index from '../../lib/index';
import { type AddonFound, type AddonMissing, loadAddon } from '../../lib/native/load-addon';
import { libc } from '../../lib/native/target';

// Of Node itself, not what jest has in its place.
const Module = process.getBuiltinModule('node:module');

const before = process.env.FUSED_BEAR_LOSS_PREBUILD;
const target = `${process.platform}-${process.arch}`;
const tag = process.platform === 'linux' ? `.${libc()}` : '';

let folder: string;
let built: string;
let shipped: string;

beforeEach(() => {
  folder = mkdtempSync(join(os.tmpdir(), 'fused-bear-loss-loader-'));
  process.env.FUSED_BEAR_LOSS_PREBUILD = folder;
  built = join(folder, 'build', 'Release', 'fused_bear_loss.node');
  shipped = join(folder, 'prebuilds', target, `fused-bear-loss${tag}.node`);
});

afterEach(() => {
  if (before === undefined) delete process.env.FUSED_BEAR_LOSS_PREBUILD;
  else process.env.FUSED_BEAR_LOSS_PREBUILD = before;
  rmSync(folder, { recursive: true });
});

/** That of the compiler behind jest's transform. */
function foreignAddon(): string | undefined {
  try {
    return require.resolve(`@swc/core-${process.platform}-${process.arch}-gnu`);
  } catch {
    return undefined;
  }
}

/** The addon of this clone. */
function realAddon(): string {
  const chosen = process.env.FUSED_BEAR_LOSS_PREBUILD;
  delete process.env.FUSED_BEAR_LOSS_PREBUILD;
  const { file } = loadAddon() as AddonFound;
  process.env.FUSED_BEAR_LOSS_PREBUILD = chosen;
  return file;
}

function put(file: string, content: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

describe('loadAddon()', () => {
  it('loads what was built before what was shipped', () => {
    for (const file of [built, shipped]) put(file, readFileSync(realAddon()));
    expect(loadAddon()).toMatchObject({ file: built, attempts: [] });
    rmSync(built);
    expect(loadAddon()).toMatchObject({ file: shipped, attempts: [] });
  });

  it('takes a relative folder from where the process is', () => {
    put(shipped, readFileSync(realAddon()));
    process.env.FUSED_BEAR_LOSS_PREBUILD = relative(process.cwd(), folder);
    expect(loadAddon()).toMatchObject({ file: shipped, attempts: [] });
  });

  it('takes an empty name for none', () => {
    const addon = realAddon();
    process.env.FUSED_BEAR_LOSS_PREBUILD = '';
    expect(loadAddon()).toMatchObject({ file: addon });
  });

  it('says that there is none, and where it looked', () => {
    const missing = loadAddon() as AddonMissing;
    expect(missing).toMatchObject({ addon: undefined, present: false, attempts: [], searched: [built, shipped] });
    expect(missing.reason).toContain(`no native addon for ${target}`);
  });

  it('says what the system says of a file that is no library', () => {
    put(shipped, 'no library');
    const missing = loadAddon() as AddonMissing;
    const [attempt] = missing.attempts;
    expect(missing.attempts).toEqual([{ file: shipped, reason: expect.stringMatching(/\S/) }]);
    expect(attempt?.reason).not.toContain(shipped); // which every message names beside it
    expect(missing).toMatchObject({ addon: undefined, present: true });
    expect(missing.reason).toContain(shipped);
  });

  it('goes on to the next file where the first cannot be used, and keeps the reason', () => {
    put(built, 'no library');
    put(shipped, readFileSync(realAddon()));
    expect(loadAddon()).toMatchObject({
      file: shipped,
      attempts: [{ file: built, reason: expect.stringMatching(/\S/) }],
    });
  });

  it('does without the cache folder where the user has no home', () => {
    delete process.env.FUSED_BEAR_LOSS_PREBUILD;
    jest.spyOn(os, 'homedir').mockImplementation(() => {
      throw new Error('uv_os_homedir returned ENOENT');
    });
    const { XDG_CACHE_HOME: cache } = process.env;
    delete process.env.XDG_CACHE_HOME;
    expect(loadAddon()).toMatchObject({ file: expect.stringMatching(/fused_bear_loss\.node$/) });
    if (cache !== undefined) process.env.XDG_CACHE_HOME = cache;
    jest.restoreAllMocks();
  });

  it('says why where it cannot look for any', () => {
    delete process.env.FUSED_BEAR_LOSS_PREBUILD;
    jest.isolateModules(() => {
      jest.doMock('../../lib/native/package-root', () => ({
        packageRoot() {
          throw new Error('Requires env access.');
        },
      }));
      const isolated = require('../../lib/native/load-addon') as { loadAddon: typeof loadAddon };
      expect(isolated.loadAddon()).toMatchObject({
        addon: undefined,
        reason: 'no addon can be looked for: Requires env access',
        present: false,
      });
      jest.dontMock('../../lib/native/package-root');
    });
  });

  const foreign = foreignAddon();
  (foreign ? it : it.skip)("does not call another package's addon", () => {
    mkdirSync(dirname(shipped), { recursive: true });
    symlinkSync(foreign as string, shipped);
    expect((loadAddon() as AddonMissing).reason).toContain('another package');
  });

  it('survives an addon for another processor', () => {
    const addon = readFileSync(realAddon());
    if (process.platform === 'linux')
      addon.writeUInt16LE(243, 0x12); // RISC-V
    else addon.fill(0, 0, 64);
    put(shipped, addon);
    expect(loadAddon()).toMatchObject({ addon: undefined, present: true, reason: expect.stringContaining(shipped) });
  });

  it('does not call the addon of another version', () => {
    put(built, Buffer.alloc(64));
    const loaders = (Module as unknown as { _extensions: Record<string, (addon: { exports: unknown }) => void> })
      ._extensions;
    const loader = loaders['.node'] as (typeof loaders)[string];
    loaders['.node'] = (addon) => {
      addon.exports = { callFields: { numbers: ['rows'], arrays: [], summary: [] } };
    };
    expect((loadAddon() as AddonMissing).reason).toContain('another version');
    loaders['.node'] = loader;
  });

  // Where the check is missing, this process dies (SIGBUS) at some of these lengths.
  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('survives an addon that was cut off anywhere', () => {
    const whole = readFileSync(realAddon());
    for (const share of [0, 1e-5, 0.01, 0.2, 0.5, 0.9, 0.999]) {
      put(shipped, whole.subarray(0, Math.floor(whole.length * share)));
      expect(loadAddon()).toMatchObject({ addon: undefined, present: true });
    }
    put(shipped, whole.subarray(0, whole.length - 1));
    expect((loadAddon() as AddonMissing).reason).toContain('truncated');
  });
});

describe('the package without an addon and without the module', () => {
  const backend = process.env.FUSED_BEAR_LOSS_BACKEND;
  beforeEach(() => {
    process.env.FUSED_BEAR_LOSS_BACKEND = 'native';
  });
  afterEach(() => {
    if (backend === undefined) delete process.env.FUSED_BEAR_LOSS_BACKEND;
    else process.env.FUSED_BEAR_LOSS_BACKEND = backend;
  });

  function loadAgain(): typeof Index {
    let index: typeof Index | undefined;
    jest.isolateModules(() => {
      index = require('../../lib/index');
    });
    return index as typeof Index;
  }

  function errorOf(call: () => unknown): Error & { code?: string } {
    try {
      call();
    } catch (error) {
      return error as Error;
    }
    throw new Error('nothing was thrown');
  }

  /** A library of this process that is no addon. */
  function loadedLibrary(): string {
    const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
    return sharedObjects.find((file) => /[\\/]lib(m|c|System)[.\w-]*\.(so|dylib)/.test(file)) as string;
  }

  it('is loaded all the same, and says at the first call what to do', () => {
    const { fusedBearLoss } = loadAgain();
    const thrown = errorOf(() => fusedBearLoss(new Float32Array(5), [1]));
    expect(thrown.code).toBe('ERR_BEAR_ADDON_NOT_FOUND');
    for (const part of [built, shipped, target, process.version, 'npx fused-bear-loss build', 'npm run build']) {
      expect(thrown.message).toContain(part);
    }
  });

  it('ends a sentence of the system with one full stop', () => {
    mkdirSync(dirname(shipped), { recursive: true });
    // Node says of a library that is no addon: "Module did not self-register: '...'."
    copyFileSync(loadedLibrary(), shipped);
    const { fusedBearLoss } = loadAgain();
    const message = errorOf(() => fusedBearLoss(new Float32Array(5), [1])).message;
    expect(message).toContain('did not self-register');
    expect(message).not.toMatch(/\.\.(\s|$)/);
  });
});
