/** Somebody writes a call's inputs on the device while it runs: values may be wrong, addresses never, and nothing hangs. */
import { DeviceTensor, fusedBearLoss } from '../../lib/cuda/index';
import { useEmulator } from '../support/emulated-device';
import { SeededRandom } from '../support/random';

const { emulator, describe, it } = useEmulator('changes memory between kernels');

const ROWS = 4;
const VOCABULARIES = [700, 9001];
// Far outside, just outside, negative, and another value that is inside.
const VALUES = [0x7fffffff, 9001, -1, 3];

jest.setTimeout(60_000);

function onDevice(values: Int32Array | Uint32Array) {
  return values instanceof Int32Array
    ? DeviceTensor.fromHost(values, [values.length], 'int32')
    : DeviceTensor.fromHost(values, [values.length], 'uint32');
}

type Input = 'targets' | 'offsets' | 'tokens' | 'bitmask';

function inputs(vocabSize: number) {
  const random = new SeededRandom(9);
  const logits = DeviceTensor.fromHost(random.normals(ROWS * vocabSize, 2), [ROWS, vocabSize]);
  const targets = onDevice(Int32Array.from({ length: ROWS }, (_, row) => 10 * row + 5));
  const lists = Array.from({ length: ROWS }, (_, row) => [10 * row + 5, 300, 400 + row, 650]);
  const offsets = onDevice(Int32Array.from({ length: ROWS + 1 }, (_, row) => 4 * row));
  const tokens = onDevice(Int32Array.from(lists.flat()));
  const bitmask = onDevice(new Uint32Array(ROWS * Math.ceil(vocabSize / 32)).fill(0xffffffff));
  return { logits, targets, offsets, tokens, bitmask };
}

const cases: [Input, (all: ReturnType<typeof inputs>) => Record<string, DeviceTensor> | undefined][] = [
  ['targets', () => undefined],
  ['targets', ({ offsets, tokens }) => ({ offsets, tokens })],
  ['targets', ({ bitmask }) => ({ bitmask })],
  ['offsets', ({ offsets, tokens }) => ({ offsets, tokens })],
  ['tokens', ({ offsets, tokens }) => ({ offsets, tokens })],
  ['bitmask', ({ bitmask }) => ({ bitmask })],
];

describe.each(VOCABULARIES)('%i tokens', (vocabSize) => {
  it.each(cases.map(([input, allowed], index) => [input, index, allowed] as const))(
    '%s (%i) that change before each of the kernels',
    async (input, _, allowedOf) => {
      // The options of every case in turn, without their types.
      const run = fusedBearLoss as unknown as (...call: unknown[]) => { read(): Promise<unknown>; dispose(): void };
      const all = inputs(vocabSize);
      const before = all[input].toHost();
      const allowed = allowedOf(all);
      for (const value of VALUES) {
        for (const gradient of [true, 'in-place-sparse'] as const) {
          if (gradient === 'in-place-sparse' && !(input === 'offsets' || input === 'tokens')) continue;
          for (const nth of [2, 3, 4]) {
            all[input].copyFrom(onDevice(before as Int32Array) as never);
            const changed = new Int32Array(before.length).fill(value);
            emulator.writeBeforeKernel(nth, all[input].pointer, new Uint8Array(changed.buffer));
            const options = { rows: true, gradient, allowed, reduction: 'weighted-mean', penalty: 'reweight' };
            const result = run(all.logits, all.targets, options);
            await result.read().catch(() => undefined); // a changed input may well be a faulty one
            expect(emulator.reports()).toEqual([]);
            result.dispose();
          }
        }
      }
      for (const tensor of Object.values(all)) tensor.dispose();
    },
  );
});
