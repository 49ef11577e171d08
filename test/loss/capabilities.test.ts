import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Index from '../../lib/index';
import packageJson from '../../package.json';

const VARIABLES = ['FUSED_BEAR_LOSS_THREADS', 'FUSED_BEAR_LOSS_PREBUILD'];
const before = VARIABLES.map((name) => [name, process.env[name]] as const);

afterEach(() => {
  jest.restoreAllMocks();
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** The library as a new process would load it. */
function loadAgain(): typeof Index {
  let index: typeof Index | undefined;
  jest.isolateModules(() => {
    index = require('../../lib/index');
  });
  return index as typeof Index;
}

function warnings(): string[] {
  const emitted: string[] = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((message) => {
    emitted.push(String(message));
  });
  return emitted;
}

describe('capabilities()', () => {
  it('says what this package, this processor and this build are', () => {
    delete process.env.FUSED_BEAR_LOSS_THREADS;
    const answer = loadAgain().capabilities();
    expect(answer.version).toBe(packageJson.version);
    expect(['baseline', 'avx2', 'avx512']).toContain(answer.instructionSet);
    expect(answer.instructionSets[0]).toBe('baseline');
    expect(answer.instructionSets).toContain(answer.instructionSet);
    expect(answer.threads).toBe(availableParallelism());
    expect(answer.warnings).toEqual([]);
  });

  it('says why there is no CUDA, or which devices there are', () => {
    const { cuda } = loadAgain().capabilities();
    if (cuda.available) {
      expect(cuda).toEqual({ built: true, available: true, devices: expect.any(Array) });
      expect(cuda.devices.length).toBeGreaterThan(0);
    } else {
      expect(cuda).toEqual({ built: cuda.built, available: false, reason: expect.stringMatching(/\w+/), devices: [] });
    }
  });
});

describe('FUSED_BEAR_LOSS_THREADS', () => {
  it('sets the number of threads', () => {
    process.env.FUSED_BEAR_LOSS_THREADS = '7';
    const { capabilities, fusedBearLoss } = loadAgain();
    expect(capabilities()).toMatchObject({ threads: 7, warnings: [] });
    expect(fusedBearLoss(new Float32Array(5), [1]).countedRows).toBe(1);
  });

  it.each(['0', '-2', '1.5', 'many', '99999'])('%s is not followed, and a warning says so once', (value) => {
    const emitted = warnings();
    process.env.FUSED_BEAR_LOSS_THREADS = value;
    const { capabilities, fusedBearLoss } = loadAgain();
    expect(fusedBearLoss(new Float32Array(5), [1]).countedRows).toBe(1);
    expect(fusedBearLoss(new Float32Array(5), [1]).countedRows).toBe(1);
    expect(emitted).toEqual([expect.stringContaining(`FUSED_BEAR_LOSS_THREADS was not followed: "${value}"`)]);
    expect(capabilities()).toMatchObject({ threads: availableParallelism(), warnings: emitted });
  });
});

describe('an addon that cannot be loaded', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-loader-'));
    process.env.FUSED_BEAR_LOSS_PREBUILD = folder;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function loadError(): Error & { code?: string } {
    try {
      loadAgain().capabilities();
    } catch (error) {
      return error as Error;
    }
    throw new Error('an addon was loaded');
  }

  // node-gyp-build also looks beside the executable.
  it('because there is none: says where it looked, on what machine, and what to do', () => {
    const { code, message } = loadError();
    expect(code).toBe('ERR_BEAR_ADDON_NOT_FOUND');
    expect(message).toContain(`${process.platform}-${process.arch}`);
    expect(message).toContain(process.version);
    expect(message).toContain(join(folder, 'build', 'Release'));
    expect(message).toContain(join(folder, 'prebuilds', `${process.platform}-${process.arch}`));
    for (const command of ['npm rebuild fused-bear-loss', 'npm run build', 'npm install-scripts approve']) {
      expect(message).toContain(command);
    }
  });

  it('because it is no library: says what the system says of it', () => {
    const release = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
    mkdirSync(release, { recursive: true });
    writeFileSync(join(release, 'fused-bear-loss.node'), 'no library');
    const { code, message } = loadError();
    expect(code).toBe('ERR_BEAR_ADDON_NOT_FOUND');
    expect(message).toContain('fused-bear-loss.node');
  });

  it('because it is that of another version: does not call it', () => {
    jest.doMock('node-gyp-build', () => () => ({ callFields: { numbers: ['rows'], arrays: [], summary: [] } }));
    const { code, message } = loadError();
    jest.dontMock('node-gyp-build');
    expect(code).toBe('ERR_BEAR_ADDON_NOT_FOUND');
    expect(message).toContain('another version');
  });

  it('is looked for at the first call, not when the package is loaded', () => {
    expect(() => loadAgain()).not.toThrow();
    const { fusedBearLoss } = loadAgain();
    expect(() => fusedBearLoss(new Float32Array(5), [1])).toThrow('npm rebuild fused-bear-loss');
  });
});
