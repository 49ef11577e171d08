import { fusedBearLoss } from 'fused-bear-loss';
import { TokenTrie } from 'fused-bear-loss/decoding';
import { Random } from '../../src/random/random';
import { type ApaoSettings, apaoTokenWeights, prefixWeights } from '../../src/training/apao';
import { run } from '../../src/training/run';
import { openTinyWorkbench, TINY_RUN, withFolder } from '../support/recommender';

const V = 6;
// Tokens 3 of the second code and 5 of the fourth have no choice. The last code is shorter than the others.
const CODES = [
  [0, 2, 4],
  [0, 3, 4],
  [1, 2, 4],
  [1, 2, 5],
  [4, 5],
];
const trie = TokenTrie.fromSequences(CODES);
/** The items of a batch, one twice. */
const ITEMS = [0, 1, 3, 2, 3, 4];

interface Decision {
  item: number;
  /** Of the token in the code, from 1. */
  position: number;
  node: number;
  target: number;
}

const DECISIONS: Decision[] = ITEMS.flatMap((code, item) =>
  (CODES[code] as number[]).flatMap((target, index, tokens) => {
    const node = trie.find(tokens.slice(0, index));
    return trie.childCount(node) > 1 ? [{ item, position: index + 1, node, target }] : [];
  }),
);
// Padding at the end, and between two items.
const ROWS: (Decision | undefined)[] = [...DECISIONS.slice(0, 2), undefined, ...DECISIONS.slice(2), undefined];
const nodes = Int32Array.from(ROWS, (row) => row?.node ?? -1);
const targets = Int32Array.from(ROWS, (row) => row?.target ?? -100);
const lists = trie.allowed(DECISIONS.map(({ node }) => node));
const allowedOf = (row: number): number[] => [...trie.childTokens(nodes[row] as number)];
const LOGITS = Float32Array.from(
  { length: ROWS.length * V },
  (
    (random) => () =>
      2 * random.normal()
  )(new Random(3)),
);

/** Minus the logarithm of each row's probability, in double precision. */
function nllOf(logits: ArrayLike<number>, masked: boolean): number[] {
  return ROWS.map((row, index) => {
    if (!row) return 0;
    const tokens = masked ? allowedOf(index) : Array.from({ length: V }, (_, token) => token);
    const sum = tokens.reduce((total, token) => total + Math.exp(logits[index * V + token] as number), 0);
    return Math.log(sum) - (logits[index * V + row.target] as number);
  });
}

/** L_t, as it is defined, for t from 1. */
function prefixLosses(nll: readonly number[]): number[] {
  return [1, 2, 3].map((t) => {
    const items = ITEMS.flatMap((code, item) => ((CODES[code] as number[]).length >= t ? [item] : []));
    const lost = items.map((item) =>
      ROWS.reduce((sum, row, index) => (row?.item === item && row.position <= t ? sum + (nll[index] ?? 0) : sum), 0),
    );
    return lost.reduce((sum, loss) => sum + loss / t, 0) / items.length;
  });
}

const crossEntropy = (nll: readonly number[]) => nll.reduce((sum, value) => sum + value, 0) / DECISIONS.length;

function definedWeights(losses: readonly number[], eta: number): number[] {
  const raw = losses.map((loss) => loss * Math.exp(eta * loss));
  return raw.map((weight) => weight / raw.reduce((sum, each) => sum + each, 0));
}

/** The loss where the prefixes have these weights. */
function apaoLoss(logits: ArrayLike<number>, masked: boolean, beta: number, weights: readonly number[]): number {
  const nll = nllOf(logits, masked);
  return (
    crossEntropy(nll) + beta * prefixLosses(nll).reduce((sum, loss, index) => sum + loss * (weights[index] ?? 0), 0)
  );
}

function fused(masked: boolean, settings: ApaoSettings) {
  const offsets = new Int32Array(ROWS.length + 1);
  let decision = 0;
  ROWS.forEach((row, index) => {
    if (row) decision++;
    offsets[index + 1] = lists.offsets[decision] as number;
  });
  const options = { vocabSize: V, penalty: 'none', ...(masked && { allowed: { ...lists, offsets } }) } as const;
  const { nll } = fusedBearLoss(LOGITS, targets, { ...options, rows: true, gradient: false }).rows;
  const tokenWeights = apaoTokenWeights(nll, { nodes, targets }, trie, settings);
  return { tokenWeights, ...fusedBearLoss(LOGITS, targets, { ...options, tokenWeights, rows: true }) };
}

describe.each([
  ['masked', true],
  ['unmasked', false],
] as const)('the loss of APAO, %s', (_, masked) => {
  it.each([
    { beta: 0.1, eta: 0 },
    { beta: 2, eta: 1.5 },
    { beta: 0.5, eta: -1 },
  ])('is cross-entropy and the weighted losses of the prefixes, for %j', (settings) => {
    const weights = definedWeights(prefixLosses(nllOf(LOGITS, masked)), settings.eta);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    const { loss, rows } = fused(masked, settings);
    expect(loss).toBeCloseTo(apaoLoss(LOGITS, masked, settings.beta, weights), 5);
    // Beside it the cross-entropy by itself.
    expect(crossEntropy([...rows.nll])).toBeCloseTo(crossEntropy(nllOf(LOGITS, masked)), 5);
  });

  it.each([
    { beta: 0.1, eta: 0 },
    { beta: 2, eta: 1.5 },
  ])('has the gradient of finite differences with the weights held, for %j', (settings) => {
    const weights = definedWeights(prefixLosses(nllOf(LOGITS, masked)), settings.eta);
    const { gradLogits } = fused(masked, settings);
    const step = 1e-5;
    LOGITS.forEach((_, index) => {
      const at = (change: number) => {
        const moved = Float64Array.from(LOGITS);
        moved[index] = (moved[index] as number) + change;
        return apaoLoss(moved, masked, settings.beta, weights);
      };
      expect(gradLogits?.[index]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 5);
    });
  });

  it('is the cross-entropy with beta 0', () => {
    expect([...fused(masked, { beta: 0, eta: 3 }).tokenWeights]).toEqual(ROWS.map(() => 1));
  });
});

describe('the weights of APAO', () => {
  it('give decisions less, the later they come in an item, as fewer prefixes hold them', () => {
    const { tokenWeights } = fused(true, { beta: 0.1, eta: 0 });
    DECISIONS.slice(1).forEach(({ item }, index) => {
      const before = DECISIONS[index] as Decision;
      if (before.item !== item) return;
      const weightOf = (decision: Decision) => tokenWeights[ROWS.indexOf(decision)] as number;
      expect(weightOf(before)).toBeGreaterThan(weightOf(DECISIONS[index + 1] as Decision));
    });
  });

  it('shift to the prefix that loses most with a larger eta, and stay finite', () => {
    const losses = Float64Array.of(0, 1, 3, 2);
    const [none, some, huge] = [0, 1, 1e6].map((eta) => prefixWeights(losses, eta)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    expect([...none]).toEqual([0, 1 / 6, 3 / 6, 2 / 6]);
    expect(some[2]).toBeGreaterThan(none[2] as number);
    expect([...huge]).toEqual([0, 0, 1, 0]);
    expect([...prefixWeights(losses, -1e6)]).toEqual([0, 1, 0, 0]);
  });

  it('are none where nothing is lost', () => {
    expect([...prefixWeights(new Float64Array(4), 2)]).toEqual([0, 0, 0, 0]);
    const weights = apaoTokenWeights(new Float32Array(ROWS.length), { nodes, targets }, trie, { beta: 1, eta: 1 });
    expect([...weights]).toEqual(ROWS.map(() => 1));
  });
});

describe('a run with the loss apao', () => {
  it.each([undefined, true] as const)('trains, with unmasked %s', (unmasked) =>
    withFolder(async (folder) => {
      const options = { ...TINY_RUN, loss: 'apao' as const, beta: 1, ...(unmasked && { unmasked }) };
      const { metrics } = await run(await openTinyWorkbench(), options, folder, { resume: true });
      expect(metrics.at(-1)?.crossEntropy).toBeLessThan(metrics[0]?.crossEntropy as number);
      for (const { loss, crossEntropy } of metrics) {
        // What the prefixes add is of the size of the cross-entropy, times beta.
        expect(loss - crossEntropy).toBeGreaterThan(0.1 * crossEntropy);
      }
    }),
  );
});
