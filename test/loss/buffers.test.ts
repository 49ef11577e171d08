// Buffers that are gone, that shrank, or that other threads can see.
import {
  type AnyCall,
  expectRefused,
  resizableBuffer,
  runAsync,
  runSync,
  transfer,
  validCall,
  validLists,
} from './refusal';

type View = Float32Array | Int32Array | Uint32Array | BigInt64Array;

/** The calls' arrays by the name of their argument; each place builds a call around the array that it is given. */
const PLACES: Record<string, { array: () => View; call: (array: View) => AnyCall }> = {
  logits: { array: () => validCall().logits, call: (logits) => ({ ...validCall(), logits }) },
  'logits.data': {
    array: () => validCall().logits,
    call: (data) => ({ ...validCall(), logits: { data, shape: [3, 5] } }),
  },
  targets: { array: () => validCall().targets, call: (targets) => ({ ...validCall(), targets }) },
  tokenWeights: {
    array: () => Float32Array.of(1, 2, 3),
    call: (tokenWeights) => ({ ...validCall(), options: { tokenWeights } }),
  },
  penaltyWeights: {
    array: () => Float32Array.of(1, 2, 3),
    call: (penaltyWeights) => ({ ...validCall(), options: { penaltyWeights } }),
  },
  gradOutput: {
    array: () => Float32Array.of(1, 2, 3),
    call: (gradOutput) => ({ ...validCall(), options: { gradOutput, reduction: 'none' } }),
  },
  'allowed.offsets': {
    array: () => validLists().offsets,
    call: (offsets) => ({ ...validCall(), options: { allowed: { ...validLists(), offsets } } }),
  },
  'allowed.tokens': {
    array: () => validLists().tokens,
    call: (tokens) => ({ ...validCall(), options: { allowed: { ...validLists(), tokens } } }),
  },
  'allowed.bitmask': {
    array: () => Uint32Array.of(31, 31, 31),
    call: (bitmask) => ({ ...validCall(), options: { allowed: { bitmask } } }),
  },
  'out.gradLogits': {
    array: () => new Float32Array(15),
    call: (gradLogits) => ({ ...validCall(), options: { out: { gradLogits } } }),
  },
};

/** A copy of the array in a buffer of this kind. */
function copyTo<Buffer extends ArrayBufferLike>(array: View, buffer: Buffer): View {
  const Type = array.constructor as new (buffer: ArrayBufferLike, start: number, length: number) => View;
  const copy = new Type(buffer, 0, array.length);
  new Uint8Array(buffer).set(new Uint8Array(array.buffer));
  return copy;
}

describe.each(Object.entries(PLACES))('the buffer of %s', (argument, { array, call }) => {
  it('is refused once it was transferred', async () => {
    await expectRefused(call(transfer(array())), TypeError, { code: 'ERR_BEAR_BUFFER_DETACHED', argument });
  });

  it('is refused once it shrank below the end of the view', async () => {
    const original = array();
    const { byteLength } = original;
    const buffer = resizableBuffer(byteLength, 2 * byteLength);
    const view = copyTo(original, buffer);
    buffer.resize(byteLength - 1);
    expect(view).toHaveLength(0);
    await expectRefused(call(view), TypeError, { code: 'ERR_BEAR_BUFFER_DETACHED', argument });
  });

  it('may be resizable', () => {
    const original = array();
    const { byteLength } = original;
    const view = copyTo(original, resizableBuffer(byteLength, 2 * byteLength));
    const expected = call(array());
    const actual = call(view);
    expect(runSync(actual.logits, actual.targets, actual.options)).toEqual(
      runSync(expected.logits, expected.targets, expected.options),
    );
  });

  it('may be shared with other threads', async () => {
    const expected = call(array());
    const result = runSync(expected.logits, expected.targets, expected.options);
    const shared = () => {
      const original = array();
      return call(copyTo(original, new SharedArrayBuffer(original.byteLength)));
    };
    const sync = shared();
    expect(runSync(sync.logits, sync.targets, sync.options)).toEqual(result);
    const async = shared();
    expect(await runAsync(async.logits, async.targets, async.options)).toEqual(result);
  });
});

describe('a view of a length that follows its buffer', () => {
  it('is read as long as it is at the call', () => {
    const buffer = resizableBuffer(60, 120);
    const logits = new Float32Array(buffer);
    logits.set(validCall().logits);
    expect(runSync(logits, [1, 4, 2])).toEqual(runSync(validCall().logits, [1, 4, 2]));
    buffer.resize(40);
    expect(runSync(logits, [1, 4])).toEqual(runSync(validCall().logits.subarray(0, 10), [1, 4]));
  });
});
