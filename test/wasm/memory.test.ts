import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fusedBearLoss, topTokens } from '../../lib/index';
import { moduleBytes } from './support';

describe('the memory of the module', () => {
  it('stays near 16 MB, however large the call', () => {
    const [rows, vocabSize] = [600, 32000]; // 77 MB of logits, and as much of gradient
    const logits = new Float32Array(rows * vocabSize);
    const { gradLogits } = fusedBearLoss(logits, new Int32Array(rows), { vocabSize });
    expect(gradLogits).toHaveLength(rows * vocabSize);
    topTokens(logits, 10, { vocabSize });
    fusedBearLoss(new Float32Array(1 << 18), [7]);
    expect(moduleBytes()).toBeLessThanOrEqual(16 * 1024 * 1024);
    const small = moduleBytes();
    fusedBearLoss(new Float32Array(1 << 10), [7]);
    expect(moduleBytes()).toBe(small);
  });

  // The table of docs/install.md.
  it.each([
    { vocabSize: 32_000, float32: 6, bfloat16: 6, masked: 6 },
    { vocabSize: 1_000_000, float32: 16, bfloat16: 24, masked: 28 },
    { vocabSize: 2_000_000, float32: 36, bfloat16: 36, masked: 56 },
  ])('has for rows of $vocabSize logits what the docs say', ({ vocabSize, ...most }) => {
    const rows = Math.max(2, Math.ceil((1 << 19) / vocabSize)); // several blocks
    const logits = new Float32Array(rows * vocabSize);
    const bitmask = new Uint32Array(rows * Math.ceil(vocabSize / 32)).fill(-1);
    const mebibytesOf = (call: () => void) => {
      fusedBearLoss(new Float32Array(1 << 24), [7], { gradient: false }); // whose memory is let go
      call();
      return moduleBytes() / 1024 / 1024;
    };
    const targets = new Int32Array(rows).fill(7);
    const options = { vocabSize };
    const found = {
      float32: mebibytesOf(() => fusedBearLoss(logits, targets, options)),
      bfloat16: mebibytesOf(() =>
        fusedBearLoss(new Uint16Array(logits.length), targets, { ...options, dtype: 'bfloat16' }),
      ),
      masked: mebibytesOf(() => fusedBearLoss(logits, targets, { ...options, allowed: { bitmask } })),
    };
    const isWithin = Object.entries(most).map(([what, mebibytes]) => [
      what,
      found[what as keyof typeof found] <= mebibytes,
    ]);
    expect({ ...found, ...Object.fromEntries(isWithin) }).toEqual({ float32: true, bfloat16: true, masked: true });
  });

  it('is let go after a call whose rows needed much of it', () => {
    fusedBearLoss(new Float32Array(1 << 24), [7], { gradient: false });
    expect(moduleBytes()).toBeLessThan(1 << 20);
  });

  it('cannot hold a masked row of 1 GB: a code of its own, nothing written, and the next call works', () => {
    const vocabSize = 1 << 28;
    const logits = new Float32Array(vocabSize);
    const allowed = { bitmask: new Uint32Array(vocabSize / 32).fill(255) };
    const wanted = { code: 'ERR_BEAR_WASM_OUT_OF_MEMORY' };
    expect(() => fusedBearLoss(logits, [7], { allowed, gradient: 'in-place' })).toThrow(
      expect.objectContaining(wanted),
    );
    expect(logits[7]).toBe(0);
    expect(() => topTokens(logits, 2, { allowed, vocabSize })).toThrow(expect.objectContaining(wanted));
    expect(fusedBearLoss(new Float32Array(4), [1]).countedRows).toBe(1);
  });
});

describe('memory that cannot grow', () => {
  type Reports = Record<string, { outcome: string; isUntouched: boolean }> & { afterwards: number };

  function callsWithin(pages: number) {
    const program = join(__dirname, 'programs', 'little-memory.cjs');
    const env = { ...process.env, FUSED_BEAR_LOSS_BACKEND: 'wasm' };
    return spawnSync(process.execPath, [`--wasm-max-mem-pages=${pages}`, program], { encoding: 'utf8', env });
  }

  // Of 64 KiB. Calls end one after the other to fit.
  const LIMITS = [8, 28, 32, 36, 44, 50, 52, 56, 96];

  it('ends a call by a code with nothing written, or does not matter to it', () => {
    const outcomes = LIMITS.map((pages) => {
      const { stdout, stderr } = callsWithin(pages);
      expect(stderr).toBe('');
      const { afterwards, ...reports } = JSON.parse(stdout) as Reports;
      expect(afterwards).toBeCloseTo(Math.log(2), 6);
      for (const [call, { outcome, isUntouched }] of Object.entries(reports)) {
        expect(['done', 'ERR_BEAR_WASM_OUT_OF_MEMORY']).toContain(outcome);
        expect({ pages, call, isUntouched }).toEqual({ pages, call, isUntouched: outcome !== 'done' });
      }
      return Object.values(reports).map(({ outcome }) => outcome);
    });
    expect(outcomes[0]).toEqual(Array(8).fill('ERR_BEAR_WASM_OUT_OF_MEMORY'));
    expect(outcomes.at(-1)).toEqual(Array(8).fill('done'));
  });

  it('that is less than the module begins with ends the first call by the same code', () => {
    const { stderr, status } = callsWithin(1);
    expect(status).toBe(1);
    expect(stderr).toContain("code: 'ERR_BEAR_WASM_OUT_OF_MEMORY'");
  });
});
