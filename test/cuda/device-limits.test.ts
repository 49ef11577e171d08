/** What a device grants a kernel: set once, so that calls side by side do not change it, and less where it refuses. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fusedBearLossAsync } from '../../lib/index';
import { useDevice, useEmulator } from '../support/emulated-device';
import { type EmulatedDevice, emulatedAddonFolder } from '../support/emulator';
import { SeededRandom } from '../support/random';

jest.setTimeout(120_000);

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

interface Outcome {
  shape: [number, number];
  options: object;
  loss: number;
  prunedRate: number;
  /** Bytes, as hexadecimal digits. */
  rows?: string[];
  gradient?: string;
}

/** What a device with these limits computes; in a process of its own, as the package asks a device once. */
function outcomesOn(limits: EmulatedDevice): { results: Outcome[]; clusterSizes: number[] } {
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

describe('a device that refuses', () => {
  const granted = outcomesOn({});

  // The order of a row's sums follows from its slices, whether they are one block's or those of a cluster.
  it.each<[string, EmulatedDevice, number[]]>([
    ['clusters above 4', { largestCluster: 4 }, [1, 2, 4]],
    ['clusters above 2', { largestCluster: 2 }, [1, 2]],
    ['clusters', { largestCluster: 1 }, [1]],
    ['the larger shared memory', { refusesLargeShared: true }, [1]],
  ])('%s: rows that want one have a block each, and the same bits', (_, limits, clusterSizes) => {
    const outcomes = outcomesOn(limits);
    expect(outcomes.clusterSizes).toEqual(clusterSizes);
    expect(outcomes.results).toEqual(granted.results);
  });

  it('nothing: it launches clusters', () => {
    expect(granted.clusterSizes).toContain(8);
  });
});
