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
  sm75: { block: 64 * KIB, multiprocessor: 64 * KIB },
  sm80: { block: 163 * KIB, multiprocessor: 164 * KIB },
  sm90: { block: 227 * KIB, multiprocessor: 228 * KIB },
  sm120: { block: 99 * KIB, multiprocessor: 100 * KIB },
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
  residency: 'shared' | 'global';
  threads: number;
  /** 16-byte vectors: all of a row, or none. */
  rowCapacity: number;
  /** Of rows without options, aligned and not. */
  keptOfPlain: number;
  keptOfNarrow: number;
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
  const { block, multiprocessor } = DEVICES[device];
  const numbers = [vocabSize, DTYPES[dtype], beamWidth, Number(gradient), Number(listed), block, multiprocessor];
  return JSON.parse(execFileSync(program, numbers.map(String), { encoding: 'utf8' }));
}

/** Of a row, in 16-byte vectors: what each of three blocks on a multiprocessor has left of its third. */
function roomOn(device: keyof typeof DEVICES, stateBytes: number): number {
  const reservedBytes = KIB; // by the runtime, for each block
  return Math.floor((Math.floor(DEVICES[device].multiprocessor / 3) - reservedBytes - stateBytes) / 16);
}

describe('the plan of a launch', () => {
  it('keeps a row where three blocks that keep one fit a multiprocessor', () => {
    expect(planOf('sm90', { vocabSize: 32_000 })).toMatchObject({ residency: 'shared', rowCapacity: 4000 });
    expect(planOf('sm80', { vocabSize: 16_000 })).toMatchObject({ residency: 'shared', rowCapacity: 2000 });
  });

  it('reads longer rows twice, on every device', () => {
    for (const device of Object.keys(DEVICES) as (keyof typeof DEVICES)[]) {
      for (const question of [{ vocabSize: 32_000, dtype: 'float32' as const }, { vocabSize: 128_256 }]) {
        expect(planOf(device, question)).toMatchObject({ residency: 'global' });
      }
    }
    expect(planOf('sm80', { vocabSize: 32_000 })).toMatchObject({ residency: 'global' });
  });

  it('keeps up to the last byte of a third of a multiprocessor, and not one vector more', () => {
    for (const device of ['sm80', 'sm90', 'sm120'] as const) {
      const { stateBytes } = planOf(device, { vocabSize: 8 });
      const room = roomOn(device, stateBytes) * 8;
      expect(planOf(device, { vocabSize: room })).toMatchObject({ residency: 'shared', rowCapacity: room / 8 });
      expect(planOf(device, { vocabSize: room + 1 })).toMatchObject({ residency: 'global' });
    }
  });

  it('keeps no row for a forward pass alone, but for radix selection', () => {
    expect(planOf('sm90', { vocabSize: 32_000, gradient: false })).toMatchObject({ rowCapacity: 0 });
    expect(planOf('sm90', { vocabSize: 32_000, gradient: false, beamWidth: 257 }).rowCapacity).toBe(4000);
  });

  it('has room for short lists of a long vocabulary', () => {
    const plan = planOf('sm80', { vocabSize: 1_000_000, listed: true });
    expect(plan.rowCapacity).toBe(roomOn('sm80', plan.stateBytes));
  });

  it('has the same threads with and without a gradient and on every device, for the sums to be the same', () => {
    for (const vocabSize of [7, 1000, 4096, 32_000, 128_256, 1_000_000]) {
      for (const beamWidth of [10, 300]) {
        const threads = (Object.keys(DEVICES) as (keyof typeof DEVICES)[]).flatMap((device) =>
          [false, true].map((gradient) => planOf(device, { vocabSize, beamWidth, gradient }).threads),
        );
        expect(new Set(threads).size).toBe(1);
      }
    }
  });

  it('keeps the first tiles of rows without options that are longer, where these are aligned', () => {
    const long = planOf('sm90', { vocabSize: 128_256 });
    const tile = 4 * long.threads;
    expect(long).toMatchObject({ keptOfPlain: Math.floor(roomOn('sm90', long.stateBytes) / tile) * tile });
    expect(long.keptOfPlain).toBe(4096);
    expect(long.keptOfNarrow).toBe(0);
    expect(planOf('sm90', { vocabSize: 128_256, gradient: false }).keptOfPlain).toBe(0);
    expect(planOf('sm90', { vocabSize: 32_000 })).toMatchObject({ keptOfPlain: 4000, keptOfNarrow: 4000 });
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
