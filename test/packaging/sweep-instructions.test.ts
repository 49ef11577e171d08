/** What the sweep costs for each vector of logits, counted in the machine code. */
import { countSweep, whyNotCounted } from '../../scripts/count-sweep.cjs';

describe('the sweep', () => {
  const missing = whyNotCounted('avx2') ?? whyNotCounted('neon');
  const test = missing === undefined ? it : it.skip;
  test(`takes at most 1.3 times the instructions of AVX2 for a vector of NEON${missing ? ` (skipped: ${missing})` : ''}`, () => {
    const avx2 = countSweep('avx2');
    expect(avx2).toBeGreaterThan(10);
    expect(countSweep('neon') / avx2).toBeLessThanOrEqual(1.3);
  });
});
