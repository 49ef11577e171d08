/** The best tokens of each row from hidden states and weights: the search's half of the linear form. */
import { type LinearTopTokensOptions, linearTopTokens, type TopTokensResult, topTokens } from '../../lib/index';
import { topTokensReference } from '../reference/top-tokens-reference';
import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { decode } from '../support/dtype';
import { SeededRandom } from '../support/random';
import { randomCall } from './linear-call';

const SHAPE = { rows: 60, vocabSize: 700, hiddenSize: 150 };

const identity = (size: number) => {
  const matrix = new Float32Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * size + i] = 1;
  return matrix;
};

/** Lists that rows share, of 0 to 300 tokens, and some of one row alone. */
function someLists(random: SeededRandom, vocabSize: number): number[][] {
  const shared = [0, 1, 20, 65, 300].map((count) => random.sample(count, vocabSize));
  return Array.from({ length: SHAPE.rows }, (_, row) =>
    row % 4 === 0 ? random.sample(1 + random.integer(30), vocabSize) : (shared[row % 5] as number[]),
  );
}

function expectReference(actual: TopTokensResult, logits: Float64Array[], allowed: number[][] | undefined): void {
  const width = actual.beamWidth;
  topTokensReference(logits, width, { temperature: 0.7, softcap: 30, ...(allowed && { allowed }) }).forEach(
    (expected, row) => {
      const found = (values: Float32Array | Int32Array) => Array.from(values.subarray(row * width, (row + 1) * width));
      expect(found(actual.tokens)).toEqual(expected.tokens);
      const probabilities = found(actual.logProbabilities);
      expected.logProbabilities.forEach((value, place) => {
        if (value === -Infinity) expect(probabilities[place]).toBe(value);
        else expect(probabilities[place]).toBeCloseTo(value, 4);
      });
    },
  );
}

describe.each(['float32', 'bfloat16'] as const)('%s', (dtype) => {
  const call = randomCall(71, SHAPE, {}, dtype);
  const random = new SeededRandom(72);
  const bias = random.normals(SHAPE.vocabSize);
  const lists = someLists(random, SHAPE.vocabSize);
  const entryBias = random.normals(csrOf(lists).tokens.length);
  const base = { hiddenSize: SHAPE.hiddenSize, dtype, temperature: 0.7, softcap: 30 };
  const run = (options: LinearTopTokensOptions) =>
    linearTopTokens(call.hidden, call.weight, 12, { ...base, ...options });
  const logitsOf = (row: number) => {
    const [hidden, weight] = [decode(call.hidden, dtype), decode(call.weight, dtype)];
    return Float64Array.from({ length: SHAPE.vocabSize }, (_, token) => {
      let sum = bias[token] as number;
      for (let k = 0; k < 150; k++) sum += (hidden[row * 150 + k] as number) * (weight[token * 150 + k] as number);
      return sum;
    });
  };
  const logits = Array.from({ length: SHAPE.rows }, (_, row) => logitsOf(row));

  it('agrees with the float64 reference', () => {
    expectReference(run({ bias }), logits, undefined);
    expectReference(run({ bias, allowed: bitmaskOf(lists, SHAPE.vocabSize) }), logits, lists);
    const { offsets, tokens } = csrOf(lists);
    const biased = logits.map((row, i) => {
      const copy = row.slice();
      for (let entry = offsets[i] as number; entry < (offsets[i + 1] as number); entry++) {
        const token = tokens[entry] as number;
        copy[token] = (copy[token] as number) + (entryBias[entry] as number);
      }
      return copy;
    });
    expectReference(run({ bias, allowed: { offsets, tokens, bias: entryBias } }), biased, lists);
  });

  it('has the same bits for any number of threads and any workspace, and of lists the tokens of masked logits', () => {
    const allowed = csrOf(lists);
    const masked = bitmaskOf(lists, SHAPE.vocabSize);
    const expected = run({ bias, allowed, threads: 1 });
    const expectedOfMasked = run({ bias, allowed: masked, threads: 1 });
    expect(expected.tokens).toEqual(expectedOfMasked.tokens);
    for (const threads of [2, 7]) {
      expect(run({ bias, allowed, threads })).toEqual(expected);
      expect(run({ bias, allowed: masked, threads })).toEqual(expectedOfMasked);
    }
    for (const workspaceBytes of [1216, 5000, 20_000, 100_000]) {
      expect(run({ bias, allowed, workspaceBytes })).toEqual(expected);
    }
    for (const rows of [1, 2, 63]) {
      expect(run({ bias, allowed: masked, workspaceBytes: rows * 704 * 4 })).toEqual(expectedOfMasked);
    }
  });
});

it('of an identity weight is topTokens, bit for bit', () => {
  const random = new SeededRandom(73);
  const logits = random.normals(60 * 90);
  logits[5] = Number.NaN;
  logits[100] = -Infinity;
  const options = { temperature: 1.3, softcap: 2, vocabSize: 90 };
  for (const allowed of [undefined, bitmaskOf(someLists(random, 90), 90)]) {
    const constraint = allowed && { allowed };
    const finite = logits.map((value) => (Number.isFinite(value) ? value : 0));
    expect(linearTopTokens(finite, identity(90), 10, { ...options, ...constraint, hiddenSize: 90 })).toEqual(
      topTokens(finite, 10, { ...options, ...constraint }),
    );
  }
});

it('a hidden state with NaN poisons its own row alone', () => {
  const hidden = Float32Array.of(1, 2, Number.NaN, 1);
  const weight = Float32Array.of(1, 0, 0, 1, 1, 1);
  const { tokens, logSumExp } = linearTopTokens(hidden, weight, 2, { hiddenSize: 2 });
  expect(Array.from(tokens)).toEqual([2, 1, -1, -1]);
  expect(Array.from(logSumExp)).toEqual([expect.closeTo(Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3)), 5), NaN]);
});

it('takes rows with nothing to choose, and no rows at all', () => {
  const weight = { data: new Float32Array(10), shape: [5, 2] };
  const nothing = linearTopTokens(new Float32Array(4), weight, 2, {
    allowed: { offsets: Int32Array.of(0, 0, 0), tokens: new Int32Array(0) },
  });
  expect(Array.from(nothing.tokens)).toEqual([-1, -1, -1, -1]);
  expect(Array.from(nothing.logSumExp)).toEqual([-Infinity, -Infinity]);
  expect(linearTopTokens(new Float32Array(0), weight, 2).tokens).toHaveLength(0);
});

it('a beam that is wider than the vocabulary ends with -1', () => {
  const { tokens } = linearTopTokens(Float32Array.of(1, 1), Float32Array.of(1, 0, 2, 0), 3, { hiddenSize: 2 });
  expect(Array.from(tokens)).toEqual([1, 0, -1]);
});

it('writes to the arrays of the caller, and leaves the rest of them alone', () => {
  const out = {
    tokens: new Int32Array(3).fill(77),
    logProbabilities: new Float32Array(3).fill(77),
    logSumExp: new Float32Array(2).fill(77),
  };
  const result = linearTopTokens(Float32Array.of(1), Float32Array.of(1, 3, 2), 2, { hiddenSize: 1, out });
  expect(result.tokens).toBe(out.tokens);
  expect(Array.from(out.tokens)).toEqual([1, 2, 77]);
  expect([out.logProbabilities[2], out.logSumExp[1]]).toEqual([77, 77]);
});

const lists = () => ({ offsets: Int32Array.of(0, 2, 3), tokens: Int32Array.of(0, 2, 1) });
const factors = { hidden: new Float32Array(4), weight: new Float32Array(6) };

it.each<[string, object, string, string]>([
  ['no beam', { beamWidth: undefined }, 'ERR_BEAR_ARGUMENT_TYPE', 'beamWidth'],
  ['a beam of nothing', { beamWidth: 0 }, 'ERR_BEAR_OPTION_VALUE', 'beamWidth'],
  ['no hidden size beside flat arrays', { hiddenSize: undefined }, 'ERR_BEAR_SHAPE', 'hiddenSize'],
  ['hidden of another length', { hidden: new Float32Array(3) }, 'ERR_BEAR_SHAPE', 'hidden'],
  ['weight of another length', { weight: new Float32Array(5) }, 'ERR_BEAR_SHAPE', 'weight'],
  ['another vocabulary size', { vocabSize: 4 }, 'ERR_BEAR_OPTION_CONFLICT', 'vocabSize'],
  ['float16', { hidden: new Uint16Array(4), dtype: 'float16' }, 'ERR_BEAR_DTYPE', 'hidden'],
  ['a bias of another length', { bias: new Float32Array(2) }, 'ERR_BEAR_SHAPE', 'bias'],
  ['an option of the loss', { beamwidth: 3 }, 'ERR_BEAR_OPTION_UNKNOWN', 'beamwidth'],
  ['a layout', { layout: 'dense' }, 'ERR_BEAR_OPTION_UNKNOWN', 'layout'],
  ['a workspace without room', { workspaceBytes: 63 }, 'ERR_BEAR_OPTION_VALUE', 'workspaceBytes'],
  [
    'an entry bias of another length',
    { allowed: { ...lists(), bias: new Float32Array(2) } },
    'ERR_BEAR_SHAPE',
    'allowed.bias',
  ],
  [
    'lists of other rows',
    { allowed: { ...lists(), offsets: Int32Array.of(0, 3) } },
    'ERR_BEAR_SHAPE',
    'allowed.offsets',
  ],
  [
    'a list that does not ascend',
    { allowed: { ...lists(), tokens: Int32Array.of(2, 0, 1) } },
    'ERR_BEAR_ALLOWED_TOKENS_ORDER',
    'allowed.tokens',
  ],
  ['an output that is too small', { out: { tokens: new Int32Array(3) } }, 'ERR_BEAR_OUT_TOO_SMALL', 'out.tokens'],
  ['an output that is an input', { out: { logSumExp: factors.hidden } }, 'ERR_BEAR_OUT_OVERLAP', 'out'],
  [
    'an output that is a bias',
    { out: { logSumExp: factors.weight }, bias: factors.weight.subarray(0, 3) },
    'ERR_BEAR_OUT_OVERLAP',
    'out',
  ],
])('refuses %s, and writes nothing', (_, changes, code, argument) => {
  const given = { ...factors, beamWidth: 2, hiddenSize: 2, ...changes };
  const { hidden, weight, beamWidth, ...options } = given;
  expect(() => linearTopTokens(hidden, weight, beamWidth as number, options as object)).toThrow(
    expect.objectContaining({ code, argument }),
  );
  expect([...factors.hidden, ...factors.weight].every((value) => value === 0)).toBe(true);
});
