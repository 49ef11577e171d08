import { fusedBearLoss, fusedBearLossAsync } from '../../lib/index';

const ROWS = 200;
const V = 32000; // 25 slices
const options = { vocabSize: V };
const targets = new Int32Array(ROWS).fill(11);
const logits = Float32Array.from({ length: ROWS * V }, (_, i) => ((i * 7919) % 1000) / 100);

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('fusedBearLossAsync on the module', () => {
  it('gives the numbers of the synchronous call, from the logits as they were', async () => {
    const given = logits.slice();
    const pending = fusedBearLossAsync(given, targets, options);
    given.fill(0);
    const { loss, gradLogits } = await pending;
    const expected = fusedBearLoss(logits, targets, options);
    expect(loss).toBe(expected.loss);
    expect(Buffer.compare(bytesOf(gradLogits), bytesOf(expected.gradLogits))).toBe(0);
  });

  it('lets the event loop turn between its slices', async () => {
    let settled = false;
    const pending = fusedBearLossAsync(logits, targets, options).then(() => {
      settled = true;
    });
    let turns = 0;
    for (; !settled; turns++) await turn();
    expect(turns).toBeGreaterThanOrEqual(25);
    await pending;
  });

  it('stops at an abort between two slices, with nothing written', async () => {
    const given = logits.slice();
    const controller = new AbortController();
    const pending = fusedBearLossAsync(given, targets, {
      ...options,
      gradient: 'in-place',
      signal: controller.signal,
    });
    await turn();
    await turn();
    controller.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
    await turn();
    await turn();
    expect(Buffer.compare(bytesOf(given), bytesOf(logits))).toBe(0);
    // What waits behind it is computed.
    expect((await fusedBearLossAsync(new Float32Array(5), [1])).countedRows).toBe(1);
  });

  it('computes the calls in their order, and other calls in between', async () => {
    const order: number[] = [];
    const calls = [200, 1, 100].map((rows, index) =>
      fusedBearLossAsync(logits.subarray(0, rows * V), targets.subarray(0, rows), options).then(({ loss }) => {
        order.push(index);
        return loss;
      }),
    );
    await turn();
    const between = fusedBearLoss(logits.subarray(0, V), targets.subarray(0, 1), options).loss;
    expect((await Promise.all(calls))[1]).toBe(between);
    expect(order).toEqual([0, 1, 2]);
  });
});

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
