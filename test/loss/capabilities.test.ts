import { availableParallelism } from 'node:os';
import type * as Index from '../../lib/index';
import packageJson from '../../package.json';
import { isWasm } from '../support/backend-under-test';
import { PRODUCT_INSTRUCTION_SETS } from '../support/instruction-sets';

const VARIABLES = ['FUSED_BEAR_LOSS_THREADS'];
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
    expect(answer.backend).toBe(isWasm ? 'wasm' : 'native');
    const names = isWasm ? ['wasm-simd128'] : PRODUCT_INSTRUCTION_SETS;
    expect(names).toContain(answer.instructionSet);
    expect(answer.instructionSets[0]).toBe(names[0]);
    expect(answer.instructionSets).toContain(answer.instructionSet);
    expect(isWasm ? ['default'] : ['default', 'zen4', 'sapphire-rapids']).toContain(answer.tuning);
    expect(answer.threads).toBe(isWasm ? 1 : availableParallelism());
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

// The module has one thread.
(isWasm ? describe.skip : describe)('FUSED_BEAR_LOSS_THREADS', () => {
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
