import fc from 'fast-check';
import { beamSearch, exactTopItems, type StepFunction, TokenTrie, traceTargets } from '../../lib/decoding/index';
import { topTokens } from '../../lib/index';
import { SeededRandom } from '../support/random';
import { prefixModel, sequenceScore } from './support';

const VOCABULARY = 5;
const END = 4;

/** A fixed pseudo-random number for a user, prefix and token, in [-3, 3); coarse ones make ties. */
function hashedLogit(seed: number, coarse: boolean) {
  return (user: number, prefix: readonly number[], token: number) => {
    let hash = seed ^ 0x9e3779b9;
    for (const value of [user, ...prefix, token + 100]) hash = Math.imul(hash ^ value, 0x85ebca6b) ^ (hash >>> 13);
    const unit = (hash >>> 0) / 2 ** 32;
    return coarse ? Math.floor(unit * 3) - 1 : 6 * unit - 3;
  };
}

const catalogues = fc
  .array(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }), { minLength: 1, maxLength: 25 })
  .map((sequences) => sequences.map((sequence) => [...sequence, END]));
const cases = fc.record({
  catalogue: catalogues,
  seed: fc.integer(),
  coarse: fc.boolean(),
  temperature: fc.constantFrom(1, 0.5, 2),
  forcedTokens: fc.constantFrom('skip' as const, 'step' as const),
  usersPerStep: fc.integer({ min: 1, max: 4 }),
});
const USERS = 3;
type Case = typeof cases extends fc.Arbitrary<infer Value> ? Value : never;

/** The search of a case, but for what each kind of search adds to it. */
function searchOf({ catalogue, seed, coarse, ...options }: Case) {
  const step = prefixModel(VOCABULARY, hashedLogit(seed, coarse));
  return { ...options, step, trie: TokenTrie.fromSequences(catalogue), users: USERS };
}

const plain = (rankings: Awaited<ReturnType<typeof beamSearch>>) =>
  rankings.map((ranking) => ranking.map(({ items, leaf, score }) => ({ items: [...items], leaf, score })));

describe('exactTopItems', () => {
  it('is the list of all items by the definition of their probability', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ catalogue, seed, coarse, temperature, ...options }) => {
        const trie = TokenTrie.fromSequences(catalogue);
        const logitOf = hashedLogit(seed, coarse);
        const step = prefixModel(VOCABULARY, logitOf);
        const rankings = await exactTopItems({ ...options, step, trie, users: USERS, temperature, count: 100 });
        rankings.forEach((ranking, user) => {
          expect(ranking.length).toBe(trie.leafCount);
          const probability = ranking.reduce((sum, { score }) => sum + Math.exp(score), 0);
          expect(probability).toBeCloseTo(1, 5);
          ranking.forEach(({ items, score }, rank) => {
            const sequence = catalogue[items[0] as number] as number[];
            const byDefinition = sequenceScore(trie, sequence, (...known) => logitOf(user, ...known), temperature);
            expect(score).toBeCloseTo(byDefinition, 5);
            const next = ranking[rank + 1];
            if (next) expect(score > next.score || (items[0] as number) < (next.items[0] as number)).toBe(true);
          });
        });
      }),
    );
  });

  it('returns the first `count` of them', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 1, max: 6 }), async (each, count) => {
        const search = searchOf(each);
        const all = plain(await exactTopItems({ ...search, count: 100 }));
        const some = plain(await exactTopItems({ ...search, count }));
        expect(some).toEqual(all.map((ranking) => ranking.slice(0, count)));
      }),
    );
  });

  it('bears a model whose numbers differ a little from call to call', async () => {
    let calls = 0;
    const sequences = Array.from({ length: 16 }, (_, item) => [item & 3, item >> 2, END]);
    const trie = TokenTrie.fromSequences(sequences);
    const smooth = hashedLogit(11, false);
    const step = prefixModel(VOCABULARY, (...known) => smooth(...known) + 1e-6 * Math.sin(calls++));
    const rankings = await exactTopItems({ step, trie, users: 20, count: 5 });
    rankings.forEach((ranking, user) => {
      const scores = sequences.map((sequence) => sequenceScore(trie, sequence, (...known) => smooth(user, ...known)));
      const best = [...scores.keys()].sort((a, b) => (scores[b] as number) - (scores[a] as number)).slice(0, 5);
      expect(ranking.map(({ items }) => items[0])).toEqual(best);
    });
  });
});

describe('beamSearch', () => {
  it('with a beam as wide as the catalogue finds what exhaustive search finds', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 0, max: 3 }), async (each, more) => {
        const search = searchOf(each);
        const beamWidth = search.trie.leafCount + more;
        expect(plain(await beamSearch({ ...search, beamWidth }))).toEqual(
          plain(await exactTopItems({ ...search, count: beamWidth })),
        );
      }),
    );
  });

  it('keeps at each step what a plain search over lists of prefixes keeps', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 1, max: 5 }), async ({ catalogue, seed, coarse }, beamWidth) => {
        const trie = TokenTrie.fromSequences(catalogue);
        const logitOf = hashedLogit(seed, coarse);
        const step = prefixModel(VOCABULARY, logitOf);
        const rankings = await beamSearch({ step, trie, users: USERS, beamWidth, forcedTokens: 'step' });
        rankings.forEach((ranking, user) => {
          const expected = plainBeamSearch(trie, beamWidth, (...known) => logitOf(user, ...known));
          expect(ranking.map(({ leaf }) => trie.path(leaf).join())).toEqual(expected);
        });
      }),
    );
  });

  it('drops an item whose first token is improbable, however probable the rest', async () => {
    // P(0 .) = 0.6 split in two, P(1 .) = 0.4 whole: a beam of one takes token 0 and misses the best item.
    const trie = TokenTrie.fromSequences([
      [0, 2],
      [0, 3],
      [1, 2],
    ]);
    const step = prefixModel(4, (_user, _prefix, token) =>
      token === 0 ? Math.log(0.6) : token === 1 ? Math.log(0.4) : 0,
    );
    const [narrow] = await beamSearch({ step, trie, users: 1, beamWidth: 1 });
    const [wide] = await beamSearch({ step, trie, users: 1, beamWidth: 2 });
    const [exact] = await exactTopItems({ step, trie, users: 1, count: 1 });
    expect(narrow?.map(({ items }) => items[0])).toEqual([0]);
    expect(wide?.map(({ items }) => items[0])).toEqual([2, 0]);
    expect(exact?.map(({ items }) => items[0])).toEqual([2]);
    expect(exact?.[0]?.score).toBeCloseTo(Math.log(0.4), 6);
  });

  it.each([1, 0.7, -0.5])('divides by a power of the length (%d), as exhaustive search does', async (lengthPenalty) => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ catalogue, seed, coarse, temperature: _, ...options }) => {
        const trie = TokenTrie.fromSequences(catalogue);
        const step = prefixModel(VOCABULARY, hashedLogit(seed, coarse));
        const search = { ...options, step, trie, users: USERS, lengthPenalty };
        const exact = await exactTopItems({ ...search, count: 3 });
        const all = await exactTopItems({ ...search, count: 100 });
        expect(plain(exact)).toEqual(plain(all.map((ranking) => ranking.slice(0, 3))));
        expect(plain(await beamSearch({ ...search, beamWidth: 100 }))).toEqual(plain(all));
        for (const { leaf, score, logProbability } of all.flat()) {
          const length = stepsTo(trie, leaf, options.forcedTokens);
          expect(score).toBeCloseTo(logProbability / Math.max(1, length) ** lengthPenalty, 12);
        }
      }),
    );
  });

  it('returns no more than maxResults of what the beam holds', async () => {
    const trie = TokenTrie.fromSequences([[0], [1], [2], [3]]);
    const step = prefixModel(4, (_user, _prefix, token) => token);
    const [ranking] = await beamSearch({ step, trie, users: 1, beamWidth: 3, maxResults: 2 });
    expect(ranking?.map(({ items }) => items[0])).toEqual([3, 2]);
  });

  it('splits what is too much for one call of topTokens', async () => {
    const random = new SeededRandom(4);
    const sequences = Array.from({ length: 6000 }, (_, item) => [
      random.integer(3000),
      random.integer(40),
      3000 + item,
    ]);
    const step: StepFunction<null> = ({ allowed }) => ({
      logits: Float32Array.from(allowed.tokens, (token) => (token * 7919) % 13),
      layout: 'allowed',
      state: null,
    });
    const search = { step, trie: TokenTrie.fromSequences(sequences), users: 2 };
    const [first, second] = await exactTopItems({ ...search, count: 6000 });
    expect(first?.length).toBe(6000);
    expect(second).toEqual(first);
    const probability = (first ?? []).reduce((sum, { score }) => sum + Math.exp(score), 0);
    expect(probability).toBeCloseTo(1, 4);
  });

  it('breaks ties to the lower item id', async () => {
    const trie = TokenTrie.fromSequences([[3], [1], [2], [0]], [5, 8, 6, 9]);
    const rankings = await beamSearch({ step: prefixModel(4, () => 0), trie, users: 1, beamWidth: 4 });
    expect(rankings[0]?.map(({ items }) => items[0])).toEqual([5, 6, 8, 9]);
  });

  it('asks the model at choices only, and passes forced tokens along', async () => {
    const trie = TokenTrie.fromSequences([
      [7, 0, 1, 2, 9],
      [7, 0, 1, 3, 9],
      [7, 4, 9],
    ]);
    const seen: string[] = [];
    const step = prefixModel(
      10,
      () => 0,
      ({ nodes, parents, allowed }, prefixes) => {
        expect(prefixes.map((prefix) => trie.find(prefix))).toEqual([...nodes]);
        seen.push(`${prefixes.map((prefix) => prefix.join(' '))} | ${[...parents]} | ${[...allowed.tokens]}`);
      },
    );
    await beamSearch({ step, trie, users: 1, beamWidth: 3 });
    expect(seen).toEqual(['7 | -1 | 0,4', '7 0 1 | 0 | 2,3']);
    seen.length = 0;
    await beamSearch({ step, trie, users: 1, beamWidth: 3, forcedTokens: 'step' });
    expect(seen.map((line) => line.split(' |')[0])).toEqual(['', '7', '7 0,7 4', '7 0 1', '7 0 1 2,7 0 1 3']);
  });

  it('gives the same with asynchronous steps and with logits of the allowed tokens only', async () => {
    const trie = TokenTrie.fromSequences([
      [0, 9],
      [1, 2, 9],
      [1, 3, 9],
      [4, 9],
    ]);
    const step = prefixModel(10, hashedLogit(3, false));
    const sparse: StepFunction<number[][]> = async (request) => {
      const { logits, state } = await step(request);
      const { offsets, tokens } = request.allowed;
      const picked = [...request.users].flatMap((_, row) =>
        [...tokens.subarray(offsets[row], offsets[row + 1])].map((token) => logits?.[row * 10 + token] as number),
      );
      return { logits: Float32Array.from(picked), layout: 'allowed', state };
    };
    const search = { trie, users: 4, beamWidth: 2 };
    expect(plain(await beamSearch({ ...search, step: sparse }))).toEqual(plain(await beamSearch({ ...search, step })));
  });

  it('gives the same where the step ranks the tokens itself', async () => {
    const random = new SeededRandom(9);
    const sequences = Array.from({ length: 200 }, (_, item) => [random.integer(9), random.integer(9), item]);
    const trie = TokenTrie.fromSequences(sequences);
    const step = prefixModel(200, hashedLogit(4, true));
    const ranking: StepFunction<number[][]> = async (request) => {
      const { logits, state } = await step(request);
      const { beamWidth, ...scaling } = request.ranking;
      const options = { ...scaling, vocabSize: 200, allowed: request.allowed };
      return { top: topTokens(logits as Float32Array, beamWidth, options), state };
    };
    for (const options of [
      {},
      { temperature: 0.7, softcap: 3 },
      { lengthPenalty: -1, forcedTokens: 'step' as const },
    ]) {
      const search = { ...options, trie, users: 3, beamWidth: 4 };
      expect(plain(await beamSearch({ ...search, step: ranking }))).toEqual(
        plain(await beamSearch({ ...search, step })),
      );
      const exact = { ...options, trie, users: 3, count: 20 };
      expect(plain(await exactTopItems({ ...exact, step: ranking }))).toEqual(
        plain(await exactTopItems({ ...exact, step })),
      );
    }
  });

  it('needs no model where the catalogue has one item, and nothing where there are no users', async () => {
    const step = () => {
      throw new Error('asked');
    };
    const trie = TokenTrie.fromSequences([[1, 2, 3]]);
    const rankings = await beamSearch({ step, trie, users: 2 });
    expect(rankings.map(([place]) => [place?.items[0], place?.score])).toEqual(Array(2).fill([0, 0]));
    expect(await beamSearch({ step, trie, users: 0 })).toEqual([]);
  });

  it('leaves out what a logit of minus infinity masks', async () => {
    const trie = TokenTrie.fromSequences([[0], [1], [2]]);
    const step = prefixModel(3, (_user, _prefix, token) => (token === 1 ? -Infinity : 0));
    for (const softcap of [undefined, 5]) {
      const [ranking] = await beamSearch({ step, trie, users: 1, softcap });
      expect(ranking?.map(({ items }) => items[0])).toEqual([0, 2]);
      expect(ranking?.[0]?.score).toBeCloseTo(-Math.log(2), 6);
    }
  });

  it('caps logits as the loss does', async () => {
    const trie = TokenTrie.fromSequences([[0], [1]]);
    const step = prefixModel(2, (_user, _prefix, token) => 8 * token);
    const [ranking] = await beamSearch({ step, trie, users: 1, softcap: 2, temperature: 0.5 });
    const gap = (2 * Math.tanh(4)) / 0.5;
    expect(ranking?.[0]?.score).toBeCloseTo(-Math.log1p(Math.exp(-gap)), 6);
  });

  const trie = TokenTrie.fromSequences([[0], [1]]);
  const step: StepFunction<null> = ({ users }) => ({ logits: new Float32Array(2 * users.length), state: null });
  const good = { step, trie, users: 1 };
  const TOP = { tokens: Int32Array.of(0, 1), logProbabilities: Float32Array.of(-1, -1) };
  const ranked = (top: typeof TOP) => ({ ...good, step: () => ({ top, state: null }) });
  it.each([
    ['a beam of 0', { ...good, beamWidth: 0 }, 'ERR_BEAR_OPTION_VALUE', 'beamWidth'],
    ['a negative number of users', { ...good, users: -1 }, 'ERR_BEAR_OPTION_VALUE', 'users'],
    ['no users per step', { ...good, usersPerStep: 0 }, 'ERR_BEAR_OPTION_VALUE', 'usersPerStep'],
    ['a temperature of 0', { ...good, temperature: 0 }, 'ERR_BEAR_OPTION_VALUE', 'temperature'],
    ['no results', { ...good, maxResults: 0 }, 'ERR_BEAR_OPTION_VALUE', 'maxResults'],
    ['a length penalty that is none', { ...good, lengthPenalty: Number.NaN }, 'ERR_BEAR_OPTION_VALUE', 'lengthPenalty'],
    ['an infinite cap', { ...good, softcap: Infinity }, 'ERR_BEAR_OPTION_VALUE', 'softcap'],
    // Of no users, so that topTokens is never called.
    ['too small a temperature', { ...good, users: 0, temperature: 1e-39 }, 'ERR_BEAR_OPTION_VALUE', 'temperature'],
    ['too large a cap', { ...good, users: 0, softcap: 3.5e38 }, 'ERR_BEAR_OPTION_VALUE', 'softcap'],
    ['an option that does not exist', { ...good, beamwidth: 3 } as never, 'ERR_BEAR_OPTION_UNKNOWN', 'beamwidth'],
    ['no options', undefined as never, 'ERR_BEAR_ARGUMENT_TYPE', 'options'],
    [
      'a step that gives nothing',
      { ...good, step: () => undefined as never },
      'ERR_BEAR_ARGUMENT_TYPE',
      'result of the step',
    ],
    ['a step that is no function', { ...good, step: 3 as never }, 'ERR_BEAR_ARGUMENT_TYPE', 'step'],
    ['a trie that is none', { ...good, trie: {} as never }, 'ERR_BEAR_ARGUMENT_TYPE', 'trie'],
    [
      'another word for forced tokens',
      { ...good, forcedTokens: 'no' as never },
      'ERR_BEAR_OPTION_VALUE',
      'forcedTokens',
    ],
    [
      'too few logits',
      { ...good, step: () => ({ logits: new Float32Array(1), state: null }) },
      'ERR_BEAR_SHAPE',
      'logits of the step',
    ],
    [
      'logits that do not fit the allowed tokens',
      { ...good, step: () => ({ logits: new Float32Array(3), layout: 'allowed' as const, state: null }) },
      'ERR_BEAR_SHAPE',
      'logits of the step',
    ],
    ['a ranking that is none', ranked(3 as never), 'ERR_BEAR_ARGUMENT_TYPE', 'top of the step'],
    [
      'tokens of another type',
      ranked({ ...TOP, tokens: [0, 1] as never }),
      'ERR_BEAR_ARGUMENT_TYPE',
      'top of the step',
    ],
    ['too few tokens', ranked({ ...TOP, tokens: Int32Array.of(0) }), 'ERR_BEAR_SHAPE', 'top of the step'],
    [
      'too many probabilities',
      ranked({ ...TOP, logProbabilities: new Float32Array(3) }),
      'ERR_BEAR_SHAPE',
      'top of the step',
    ],
    [
      'a token that is not allowed',
      ranked({ ...TOP, tokens: Int32Array.of(0, 2) }),
      'ERR_BEAR_OPTION_VALUE',
      'top of the step',
    ],
    [
      'a probability that is NaN',
      ranked({ ...TOP, logProbabilities: Float32Array.of(-1, Number.NaN) }),
      'ERR_BEAR_NOT_FINITE',
      'top of the step',
    ],
    [
      'NaN',
      { ...good, step: () => ({ logits: Float32Array.of(0, Number.NaN), state: null }) },
      'ERR_BEAR_NOT_FINITE',
      'logits of the step',
    ],
    [
      'plus infinity',
      { ...good, step: () => ({ logits: Float32Array.of(Infinity, 0), state: null }) },
      'ERR_BEAR_NOT_FINITE',
      'logits of the step',
    ],
  ])('refuses %s', async (_, options, code, argument) => {
    await expect(beamSearch(options)).rejects.toThrow(expect.objectContaining({ code, argument }));
  });

  it('says which option was probably meant', async () => {
    await expect(beamSearch({ ...good, beamwidth: 3 } as never)).rejects.toThrow('did you mean beamWidth?');
    await expect(exactTopItems({ ...good, beamWidth: 3 } as never)).rejects.toThrow('beamWidth: expected');
    await expect(traceTargets({ ...good, target: [0] } as never)).rejects.toThrow('did you mean targets?');
  });

  it('passes on what the step throws', async () => {
    const failing = async () => {
      throw new Error('the model is gone');
    };
    await expect(beamSearch({ ...good, step: failing })).rejects.toThrow('the model is gone');
  });
});

/** Steps of a search that it takes to a leaf. */
function stepsTo(trie: TokenTrie, leaf: number, forcedTokens: 'skip' | 'step'): number {
  let steps = 0;
  for (let node = trie.parent(leaf); node >= 0; node = trie.parent(node)) {
    if (forcedTokens === 'step' || trie.childCount(node) > 1) steps++;
  }
  return steps;
}

/** Beam search written the obvious way, over whole prefixes. @returns paths of the final hypotheses, best first */
function plainBeamSearch(
  trie: TokenTrie,
  beamWidth: number,
  logitOf: (prefix: readonly number[], token: number) => number,
): string[] {
  let beam: { path: number[]; score: number }[] = [{ path: [], score: 0 }];
  const isComplete = ({ path }: { path: number[] }) => trie.isLeaf(trie.find(path));
  const firstItem = (path: number[]) => trie.items(trie.find(path))[0] as number;
  while (!beam.every(isComplete)) {
    beam = beam
      .flatMap((hypothesis) => {
        if (isComplete(hypothesis)) return [hypothesis];
        const { path, score } = hypothesis;
        const children = [...trie.childTokens(trie.find(path))];
        // The same rounding as in the search, as it decides between prefixes that are all but equal.
        const row = Float32Array.from(children, (token) => logitOf(path, token));
        const { tokens, logProbabilities } = topTokens(row, row.length, { vocabSize: row.length });
        return children.map((token, index) => ({
          path: [...path, token],
          score: score + (logProbabilities[tokens.indexOf(index)] as number),
        }));
      })
      .sort((a, b) => b.score - a.score || trie.find(a.path) - trie.find(b.path))
      .slice(0, beamWidth);
  }
  return beam.sort((a, b) => b.score - a.score || firstItem(a.path) - firstItem(b.path)).map(({ path }) => path.join());
}

describe('the state that a step returns', () => {
  const trie = TokenTrie.fromSequences([
    [1, 2],
    [1, 3],
    [2, 3],
  ]);

  function revokedProxy(): object {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }

  // A promise would call the one, and cannot hold the other.
  it.each([
    ['an object with a function `then`', Object.fromEntries([['then', () => undefined]])],
    ['a revoked Proxy', revokedProxy()],
  ])('may be %s, and comes back as it is', async (_, kept) => {
    for (const search of [beamSearch, exactTopItems]) {
      const seen: unknown[] = [];
      const step: StepFunction<object> = ({ users, state }) => {
        seen.push(state);
        return { logits: new Float32Array(4 * users.length), state: kept };
      };
      await search({ trie, users: 1, step, forcedTokens: 'step' });
      expect(seen.length).toBeGreaterThanOrEqual(2);
      expect(seen[1] === kept).toBe(true);
    }
  });
});
