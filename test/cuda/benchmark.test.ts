/** The GPU benchmark is for machines that have one; here it shows that it runs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useEmulator } from '../support/emulated-device';
import { emulatedAddonFolder } from '../support/emulator';

const { describe } = useEmulator('rehearses the benchmark on it');

jest.setTimeout(120_000);

const root = join(__dirname, '../..');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-bench-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function runBenchmark(env: Record<string, string>, ...args: string[]) {
  const command = ['--import', 'tsx', join(root, 'benchmarks', 'bench.ts'), '--quick', ...args];
  const { FUSED_BEAR_LOSS_PREBUILD: _, ...inherited } = process.env;
  return spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8', env: { ...inherited, ...env } });
}

describe('npm run bench -- --device cuda', () => {
  it('measures the copy ceiling first, every case as a share of it, and writes all of it down', () => {
    const file = join(folder, 'cuda.json');
    const env = { FUSED_BEAR_LOSS_PREBUILD: emulatedAddonFolder };
    const { status, stdout, stderr } = runBenchmark(env, '--device', 'cuda', '--filter', 'bfloat16', '--json', file);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Copy ceiling');
    const { device, copyCeiling, cases } = JSON.parse(readFileSync(file, 'utf8'));
    expect(device.name).toContain('Emulated');
    expect(copyCeiling.gigabytesPerSecond).toBeGreaterThan(0);
    expect(cases).toHaveLength(10);
    for (const each of cases) {
      expect(each.samples).toHaveLength(2);
      const share = each.gigabytesPerSecond / copyCeiling.gigabytesPerSecond;
      expect(each.shareOfCopyCeiling).toBeCloseTo(share, 3);
    }
  });

  it('says what is wrong where there is no such device', () => {
    const env = { FUSED_BEAR_LOSS_PREBUILD: emulatedAddonFolder };
    const { status, stdout, stderr } = runBenchmark(env, '--device', 'cuda:5');
    expect(status).toBe(1);
    expect(stderr).toContain('ERR_BEAR_CUDA_DEVICE_NOT_FOUND');
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
  });
});
