import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { useEmulator } from '../support/emulated-device';

// No device computes here, but what is compiled is the emulator's build of the plan.
const { describe } = useEmulator('compiles with its headers');

const root = join(__dirname, '..', '..');
const KIB = 1024;

/** Of the CUDA programming guide's table of compute capabilities. */
const DEVICES = {
  sm75: { major: 7, block: 64 * KIB, multiprocessor: 64 * KIB },
  sm80: { major: 8, block: 163 * KIB, multiprocessor: 164 * KIB },
  sm90: { major: 9, block: 227 * KIB, multiprocessor: 228 * KIB },
  sm120: { major: 12, block: 99 * KIB, multiprocessor: 100 * KIB },
};
const DTYPES = { float32: 0, float16: 1, bfloat16: 2 };

interface Question {
  vocabSize: number;
  dtype?: keyof typeof DTYPES;
  beamWidth?: number;
  gradient?: boolean;
  listed?: boolean;
}

interface Plan {
  residency: 'shared' | 'cluster' | 'global';
  threads: number;
  clusterSize: number;
  slices: number;
  rowCapacity: number;
  sharedBytes: number;
  stateBytes: number;
}

let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fbl-plan-'));
  program = join(folder, 'print_launch_plan');
  const sources = ['test/cuda/programs/print_launch_plan.cc', 'native/cuda/launch_plan.cc'].map((each) =>
    join(root, each),
  );
  const headers = [`-I${join(root, 'test', 'emulator', 'shim')}`, `-I${root}`];
  execFileSync('g++', ['-std=c++17', ...headers, ...sources, '-o', program]);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function planOf(device: keyof typeof DEVICES, question: Question): Plan {
  const { vocabSize, dtype = 'bfloat16', beamWidth = 10, gradient = true, listed = false } = question;
  const { major, block, multiprocessor } = DEVICES[device];
  const numbers = [vocabSize, DTYPES[dtype], beamWidth, Number(gradient), Number(listed), major, block, multiprocessor];
  return JSON.parse(execFileSync(program, numbers.map(String), { encoding: 'utf8' }));
}

describe('the plan of a launch', () => {
  it('keeps a row in one block where three such blocks fit a multiprocessor', () => {
    expect(planOf('sm90', { vocabSize: 32_000 })).toMatchObject({ residency: 'shared', clusterSize: 1, threads: 256 });
  });

  it('spreads longer rows over a cluster from sm_90 on', () => {
    expect(planOf('sm90', { vocabSize: 128_256 })).toMatchObject({ residency: 'cluster', clusterSize: 4 });
    expect(planOf('sm90', { vocabSize: 128_256, dtype: 'float32' })).toMatchObject({ clusterSize: 8 });
    expect(planOf('sm120', { vocabSize: 128_256 })).toMatchObject({ residency: 'cluster', clusterSize: 8 });
  });

  it('reads rows twice that no cluster can keep, by blocks that are alone', () => {
    for (const question of [{ vocabSize: 1_000_000, dtype: 'float32' as const }, { vocabSize: 2_000_000 }]) {
      expect(planOf('sm90', question)).toMatchObject({ residency: 'global', clusterSize: 1, rowCapacity: 0 });
    }
    expect(planOf('sm80', { vocabSize: 128_256 })).toMatchObject({ residency: 'global', clusterSize: 1 });
    expect(planOf('sm75', { vocabSize: 32_000 })).toMatchObject({ residency: 'global', clusterSize: 1 });
  });

  it('keeps up to the last byte of what a block may have, and not one vector more', () => {
    const { stateBytes } = planOf('sm80', { vocabSize: 8 });
    const room = Math.floor((DEVICES.sm80.block - stateBytes) / 16) * 8;
    const fits = planOf('sm80', { vocabSize: room });
    expect(fits.residency).toBe('shared');
    expect(fits.sharedBytes).toBeLessThanOrEqual(DEVICES.sm80.block);
    expect(planOf('sm80', { vocabSize: room + 1 })).toMatchObject({ residency: 'global', sharedBytes: stateBytes });
  });

  it('keeps no row for a forward pass alone, but for radix selection', () => {
    expect(planOf('sm90', { vocabSize: 32_000, gradient: false })).toMatchObject({ rowCapacity: 0 });
    expect(planOf('sm90', { vocabSize: 32_000, gradient: false, beamWidth: 257 }).rowCapacity).toBe(4000);
  });

  it('has room for short lists of a long vocabulary', () => {
    const plan = planOf('sm80', { vocabSize: 1_000_000, listed: true });
    expect(plan.rowCapacity).toBe(Math.floor((DEVICES.sm80.block - plan.stateBytes) / 16));
  });

  it('has the same blocks with and without a gradient, for the sums to be the same', () => {
    for (const device of Object.keys(DEVICES) as (keyof typeof DEVICES)[]) {
      for (const vocabSize of [7, 1000, 4096, 32_000, 128_256, 1_000_000]) {
        const geometry = ({ threads, slices }: Plan) => ({ threads, slices });
        const withGradient = geometry(planOf(device, { vocabSize, beamWidth: 300 }));
        const narrowBeam = geometry(planOf(device, { vocabSize }));
        expect(geometry(planOf(device, { vocabSize, gradient: false }))).toEqual(narrowBeam);
        expect(geometry(planOf(device, { vocabSize, gradient: false, beamWidth: 300 }))).toEqual(withGradient);
      }
    }
  });

  it('gives a forward pass one block per row, which sweeps the slices of a cluster one after another', () => {
    const forward = planOf('sm90', { vocabSize: 128_256, gradient: false });
    expect(forward).toMatchObject({ clusterSize: 1, slices: 4, rowCapacity: 0 });
    expect(planOf('sm90', { vocabSize: 128_256 })).toMatchObject({ clusterSize: 4, slices: 4 });
  });

  it('takes whole warps, fewer for short rows', () => {
    const threads = (beamWidth: number) =>
      [100, 4096, 16_384, 32_000].map((vocabSize) => planOf('sm80', { vocabSize, beamWidth }).threads);
    expect(threads(10)).toEqual([64, 64, 128, 256]);
    // The maxima of a tile have to give a bound.
    expect(threads(64)).toEqual([64, 128, 128, 256]);
    expect(threads(65)).toEqual([64, 128, 256, 256]);
  });
});
