/** Host arrays on a device, off the main thread: the same result, and an abort between two chunks. */
import { fusedBearLoss, fusedBearLossAsync } from '../../lib/index';
import { bytesOf } from '../support/dtype';
import { expectNoMoreHeld, heldBlocks, useDevice } from '../support/emulated-device';
import { callOf, fingerprint, logitsArgument } from '../support/loss-call';
import { SeededRandom } from '../support/random';

useDevice();

function manyChunks() {
  const random = new SeededRandom(11);
  const rows = Array.from({ length: 40 }, () => random.normals(900, 2));
  return callOf(rows, random.integers(40, 900), { penalty: 'reweight', reduction: 'weighted-mean' });
}

it('gives what the synchronous call gives, several at a time', async () => {
  const call = manyChunks();
  const options = { ...call.options, device: 'cuda', rows: true } as const;
  const expected = fingerprint(fusedBearLoss(logitsArgument(call), call.targets, options));
  const results = await Promise.all(
    [0, 1, 2].map(() => fusedBearLossAsync(logitsArgument(call), call.targets, options)),
  );
  for (const result of results) expect(fingerprint(result)).toEqual(expected);
});

it.each([0, 1])('ends where its signal is aborted after %i ms, and writes nothing', async (delay) => {
  const call = manyChunks();
  const before = Buffer.from(bytesOf(call.logits));
  const held = heldBlocks();
  const controller = new AbortController();
  const options = { ...call.options, device: 'cuda', gradient: 'in-place', signal: controller.signal } as const;
  const promise = fusedBearLossAsync(logitsArgument(call), call.targets, options);
  setTimeout(() => controller.abort(new Error('enough')), delay);
  await expect(promise).rejects.toThrow('enough');
  expect(Buffer.from(bytesOf(call.logits))).toEqual(before);
  // The one that was aborted may still be running; the next one waits for its turn.
  await fusedBearLossAsync(new Float32Array(5), [1], { device: 'cuda' });
  await fusedBearLossAsync(new Float32Array(5), [1], { device: 'cuda' });
  for (let turn = 0; turn < 100 && heldBlocks()[0] > held[0]; ++turn) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expectNoMoreHeld(held);
});
