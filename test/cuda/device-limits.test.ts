/** What a device grants a kernel: set once, so that calls side by side do not change it, and less where it refuses. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fusedBearLossAsync } from '../../lib/index';
import { useDevice, useEmulator } from '../support/emulated-device';
import { type EmulatedDevice, emulatedAddonFolder } from '../support/emulator';
import { SeededRandom } from '../support/random';

jest.setTimeout(120_000);

const KIB = 1024;

const { configure } = useDevice();
const { describe } = useEmulator('takes limits away');

it('takes two shapes at once, many times', async () => {
  // With a seed the runtime lets other host threads go first between its calls.
  configure({ seed: 1, detect: false });
  const random = new SeededRandom(3);
  const call = (rows: number, vocabSize: number) => {
    const logits = random.normals(rows * vocabSize, 2);
    const targets = random.integers(rows, vocabSize);
    return () => fusedBearLossAsync(logits, targets, { vocabSize, device: 'cuda' });
  };
  // The wide rows stay in more shared memory than a kernel may have without asking.
  const [wide, narrow] = [call(4, 16_000), call(40, 300)];
  const results = await Promise.allSettled(Array.from({ length: 120 }, (_, index) => (index % 2 ? wide : narrow)()));
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
  expect(reasons).toEqual([]);
});

interface Outcomes {
  /** Sums, and bytes as hexadecimal digits. */
  results: object[];
  /** For each gradient, whether the logits were read a second time, or some of them. */
  readAgain: boolean[];
}

/** What a device with these limits computes; in a process of its own, as the package asks a device once. */
function outcomesOn(limits: EmulatedDevice): Outcomes {
  const program = join(__dirname, 'programs', 'device-limits.cjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, JSON.stringify(limits)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, FUSED_BEAR_LOSS_PREBUILD: emulatedAddonFolder },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { reports, ...outcomes } = JSON.parse(stdout);
  expect(reports).toEqual([]);
  return outcomes;
}

describe('a device with less shared memory', () => {
  const large = outcomesOn({});
  // Without options, with ranks and with label smoothing, for each of four lengths.
  const once = [false, false, false];
  const again = [true, true, true];

  it('keeps shorter rows: a large one keeps 12 000 logits of float32, and not 30 000', () => {
    expect(large.readAgain).toEqual([...once, ...once, ...again, ...again]);
  });

  it.each<[string, EmulatedDevice]>([
    ['refuses more than 48 KiB a block', { refusesLargeShared: true }],
    ['has 64 KiB a multiprocessor', { sharedBytesPerBlock: 64 * KIB, sharedBytesPerMultiprocessor: 64 * KIB }],
  ])('that %s: reads those of 12 000 again, and gives the same bits', (_, limits) => {
    const outcomes = outcomesOn(limits);
    expect(outcomes.readAgain).toEqual([...once, ...again, ...again, ...again]);
    expect(outcomes.results).toEqual(large.results);
  });
});
