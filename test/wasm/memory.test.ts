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

  it('is let go after a call whose rows needed much of it', () => {
    fusedBearLoss(new Float32Array(1 << 24), [7], { gradient: false });
    expect(moduleBytes()).toBeLessThan(1 << 20);
  });

  it('cannot hold a row of 1 GB: a code of its own, nothing written, and the next call works', () => {
    const logits = new Float32Array(1 << 28);
    const wanted = { code: 'ERR_BEAR_WASM_OUT_OF_MEMORY' };
    expect(() => fusedBearLoss(logits, [7], { gradient: 'in-place' })).toThrow(expect.objectContaining(wanted));
    expect(logits[7]).toBe(0);
    expect(() => topTokens(logits, 2, { vocabSize: 1 << 28 })).toThrow(expect.objectContaining(wanted));
    expect(fusedBearLoss(new Float32Array(4), [1]).countedRows).toBe(1);
  });
});
