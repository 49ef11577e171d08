// Arguments that change while they are read, or that are not what they say.
import { beamSearch, rankOfItem, TokenTrie } from '../../lib/decoding/index';
import { fusedBearLoss, fusedBearLossAsync, topTokens } from '../../lib/index';
import { describe as describeValue } from '../../lib/options/describe';
import { runAsync, runSync, validCall, validLists } from '../loss/refusal';

function revoked(target: object = {}): never {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy as never;
}

/** An object that counts how often each member is read. */
function counted<Value extends object>(value: Value): { value: Value; reads: Record<string, number> } {
  const reads: Record<string, number> = {};
  const get = (target: Value, key: string | symbol) => {
    reads[String(key)] = (reads[String(key)] ?? 0) + 1;
    return Reflect.get(target, key);
  };
  return { value: new Proxy(value, { get }), reads };
}

const type = { name: 'TypeError', code: 'ERR_BEAR_ARGUMENT_TYPE' };

describe('a Proxy that was revoked', () => {
  const { logits, targets } = validCall();
  it.each<[string, unknown[], string]>([
    ['logits', [revoked(), targets], 'logits'],
    ['targets', [logits, revoked([])], 'targets'],
    ['options', [logits, targets, revoked()], 'options'],
    ['allowed', [logits, targets, { allowed: revoked() }], 'allowed'],
    ['out', [logits, targets, { out: revoked() }], 'out'],
    ['a shape', [{ data: logits, shape: revoked([]) }, targets], 'logits.shape'],
    ['an object that options inherit from', [logits, targets, Object.create(revoked())], 'options'],
  ])('as %s has a code', (name, args, argument) => {
    const [code, kind] = name === 'a shape' ? ['ERR_BEAR_SHAPE', 'RangeError'] : [type.code, type.name];
    expect(() => runSync(...(args as [never, never]))).toThrow(expect.objectContaining({ name: kind, code, argument }));
  });

  it('is described without being read', () => {
    expect(describeValue(revoked())).toBe('a Proxy that was revoked');
    expect(describeValue(Symbol('s'))).toBe('Symbol(s)');
  });
});

describe('members of arguments', () => {
  it('are read once', () => {
    const { logits, targets } = validCall();
    const allowed = counted(validLists());
    const out = counted({ gradLogits: new Float32Array(15), rowStride: 5 });
    const tensor = counted({ data: logits, shape: [3, 5], dtype: 'float32' as const });
    const options = counted({ allowed: allowed.value, out: out.value, temperature: 2 });
    fusedBearLoss(tensor.value, targets, options.value);
    for (const { reads } of [allowed, out, tensor, options]) {
      expect(Object.values(reads).filter((count) => count !== 1)).toEqual([]);
      expect(Object.keys(reads).length).toBeGreaterThan(1);
    }
  });

  it('pass on what their getters throw', () => {
    const { logits, targets } = validCall();
    const error = new Error('mine');
    const options = {
      get temperature(): number {
        throw error;
      },
    };
    expect(() => fusedBearLoss(logits, targets, options)).toThrow(error);
  });
});

describe('index arrays', () => {
  const call = (targets: unknown, options: object = {}) =>
    fusedBearLoss(validCall().logits, targets as Int32Array, { ...options, gradient: false }).loss;

  it('count by what they hold, not by an own length, a subclass or a prototype', () => {
    const expected = call(Int32Array.of(1, 4, 2));
    const long = Object.defineProperty(Int32Array.of(1, 4, 2), 'length', { value: 1 });
    class Odd extends Int32Array {
      static get [Symbol.species](): never {
        throw new Error('asked for the species');
      }
    }
    const shared = new SharedArrayBuffer(12);
    new Int32Array(shared).set([1, 4, 2]);
    const disguised = new Int32Array(shared);
    Object.setPrototypeOf(shared, ArrayBuffer.prototype);
    for (const targets of [long, Odd.of(1, 4, 2), disguised]) expect(call(targets)).toBe(expected);
  });

  it('are copied into memory that nobody else has', () => {
    // A Proxy of the tensor changes the targets after they were read.
    const { logits } = validCall();
    const targets = Int32Array.of(1, 4, 2);
    const expected = call(Int32Array.of(1, 4, 2));
    const tensor = {
      get data() {
        targets.fill(1_000_000);
        return logits;
      },
      shape: [3, 5],
    };
    expect(fusedBearLoss(tensor, targets, { gradient: false }).loss).toBe(expected);
  });
});

describe('a signal', () => {
  it.each([
    ['removeEventListener', { aborted: false, addEventListener() {} }],
    ['addEventListener', { aborted: false, removeEventListener() {} }],
  ])('without %s is refused before anything is written', async (_, signal) => {
    const { logits, targets, options } = validCall();
    await expect(runAsync(logits, targets, { ...options, signal })).rejects.toMatchObject({
      ...type,
      argument: 'signal',
    });
    expect(options.out.gradLogits).toEqual(new Float32Array(15).fill(7));
  });

  it('whose methods change is used by those that were checked', async () => {
    let reads = 0;
    const signal = {
      aborted: false,
      get addEventListener() {
        return reads++ === 0 ? () => {} : 3;
      },
      removeEventListener() {},
    };
    const { logits, targets } = validCall();
    await expect(fusedBearLossAsync(logits, targets, { signal: signal as never })).resolves.toHaveProperty('loss');
  });
});

describe('what a message is built from', () => {
  const trie = TokenTrie.fromSequences([[0], [1]]);
  const step = ({ users }: { users: Int32Array }) => ({ logits: new Float32Array(2 * users.length), state: null });
  it.each<[string, object]>([
    ['beamWidth', { beamWidth: Symbol('s') }],
    ['temperature', { temperature: Symbol('s') }],
    ['forcedTokens', { forcedTokens: 1n }],
    ['users', { users: {} }],
    ['trie', { trie: { childTokens() {} } }],
    ['step', { step: revoked(() => {}) }],
  ])('%s may be anything', async (argument, option) => {
    await expect(beamSearch({ step, trie, users: 1, ...option } as never)).rejects.toMatchObject({ ...type, argument });
  });

  it.each([{ temperature: 1e-39 }, { temperature: 1e37 }, { softcap: 1e39 }])('%p ends in a code', async (option) => {
    const error = await beamSearch({ step, trie, users: 1, ...option }).catch((caught: { code?: string }) => caught);
    if (!Array.isArray(error))
      expect(error).toMatchObject({ name: 'RangeError', code: expect.stringContaining('ERR_BEAR_') });
  });

  it('a result of the step that revokes itself while it is awaited has a code', async () => {
    const last = () => {
      const { proxy, revoke } = Proxy.revocable({}, { get: () => revoke() });
      return proxy as never;
    };
    await expect(beamSearch({ step: last, trie, users: 1 })).rejects.toMatchObject({
      ...type,
      argument: 'result of the step',
    });
  });

  it('a step that changes what it was given changes nothing', async () => {
    const vandal = (request: { users: Int32Array; allowed: { tokens: Int32Array } }) => {
      request.allowed.tokens.fill(99);
      request.users.fill(99);
      return { logits: Float32Array.of(0, 1), state: null };
    };
    const [ranking] = await beamSearch({ step: vandal, trie, users: 1 });
    expect(ranking?.map(({ items }) => items[0])).toEqual([1, 0]);
  });

  it('a sparse list ends at its first hole', () => {
    const items: number[] = [];
    items.length = 2 ** 32 - 1;
    expect(() => rankOfItem([{ items: items as never }], 7)).toThrow(expect.objectContaining(type));
    expect(() => topTokens(new Float32Array(4), 1, { vocabSize: Symbol('s') as never })).toThrow(
      expect.objectContaining(type),
    );
  });
});
