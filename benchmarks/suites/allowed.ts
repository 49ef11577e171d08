// npm run bench -- --suite allowed: the logits of allowed tokens alone, beside all logits and a mask.
import { fusedLinearBearLoss, type LinearBearLossOptions } from 'fused-bear-loss';
import { threadsName } from '../cases';
import { TorchPeer } from '../peers/torch';
import { blockFile, hiddenStates, type LinearShape, touched, weightScale, weights } from './inputs';
import { bitmaskOf, catalogueFolder, catalogueLists, drawnLists, type Lists, meanLength } from './lists';
import { ratioOf } from './results';
import { lazily, type Suite, type SuiteCase, type SuiteContender, type SuiteOptions, timed } from './suite';

const names = {
  sparse: 'lists, sparse gradient of weight',
  dense: 'lists, dense gradient of weight',
  masked: 'all logits, bitmask',
  torch: "all logits, mask, the authors' formula in PyTorch",
} as const;

interface AllowedCase extends LinearShape {
  name: string;
  lists: Lists;
  threads: number;
  series?: SuiteCase['series'];
  memory?: boolean;
}

function contendersOf({ lists, threads, ...each }: AllowedCase): SuiteContender[] {
  const { rows, vocabSize, hiddenSize } = each;
  const shape = { rows, vocabSize, hiddenSize };
  const { targets, ...allowed } = lists;
  const hidden = lazily(() => hiddenStates(shape));
  const weight = lazily(() => weights(shape));
  const gradHidden = lazily(() => touched(rows * hiddenSize));
  const gradWeight = lazily(() => touched(vocabSize * hiddenSize));
  const ours = (name: string, more: () => LinearBearLossOptions): SuiteContender => ({
    name,
    computes: 'BEAR',
    open: () => {
      const [x, w] = [hidden(), weight()];
      const options = { hiddenSize, threads, ...more() };
      return timed(() => fusedLinearBearLoss(x, w, targets, options));
    },
  });
  const torch = new TorchPeer(
    () => ({
      blocks: blockFile(),
      ...shape,
      scale: weightScale(shape),
      targets: [...targets],
      allowed: { offsets: [...allowed.offsets], tokens: [...allowed.tokens] },
    }),
    threads,
  );
  return [
    ours(names.sparse, () => ({ allowed, sparseWeightGradient: true, out: { gradHidden: gradHidden() } })),
    ours(names.dense, () => ({ allowed, out: { gradHidden: gradHidden() } })),
    ours(names.masked, () => ({
      allowed: { bitmask: bitmaskOf(lists, vocabSize) },
      out: { gradHidden: gradHidden(), gradWeight: gradWeight() },
    })),
    { name: names.torch, peer: 'PyTorch', computes: 'BEAR', open: () => torch.open('authors') },
  ];
}

function caseOf(each: AllowedCase): SuiteCase {
  const { rows, vocabSize, hiddenSize, lists, threads, series, memory } = each;
  const mean = meanLength(lists).toFixed(1);
  return {
    name: `${each.name}, ${rows} x ${vocabSize} x ${hiddenSize}, mean |A| ${mean}, ${threadsName(threads)}`,
    parameters: { N: rows, V: vocabSize, H: hiddenSize, entries: lists.tokens.length, threads },
    reference: names.masked,
    ...(series ? { series } : {}),
    ...(memory ? { memory } : {}),
    contenders: () => contendersOf(each),
  };
}

const catalogues = [
  { name: 'Office', folder: 'amazon-office' },
  { name: 'Book', folder: 'amazon-book' },
];

/** A step of training has all of them. Where the children of one node are the list of every row, lists gain least. */
const decisions = [
  ['', 'all'],
  [', choices', 'choices'],
  [', longest list', 'longest'],
] as const;

const full = { rows: 128, vocabSize: 128256, hiddenSize: 2048 };
const series = { rows: 128, vocabSize: 128256, hiddenSize: 256 };
const quick = { rows: 16, vocabSize: 2000, hiddenSize: 16 };

/** Catalogues that are not there are left out; `--suite allowed` says so. */
async function catalogueCases(threads: number): Promise<AllowedCase[]> {
  const cases: AllowedCase[] = [];
  for (const { name, folder: place } of catalogues) {
    const folder = catalogueFolder(place);
    if (folder === undefined) {
      console.error(`SKIPPED: the trie of ${name}, as its data is not beside the checkout`);
      continue;
    }
    for (const [suffix, which] of decisions) {
      const lists = await catalogueLists(folder, full.rows, which);
      cases.push({ ...full, name: `${name}${suffix}`, lists, threads, memory: which === 'all' });
    }
  }
  return cases;
}

function drawnCases(shape: LinearShape, lengths: readonly number[], threads: number): AllowedCase[] {
  return lengths.map((length) => ({
    ...shape,
    name: 'drawn lists',
    lists: drawnLists(shape.rows, shape.vocabSize, length),
    threads,
    series: { name: '|A|', x: length },
  }));
}

async function listCases({ size, threads }: SuiteOptions): Promise<SuiteCase[]> {
  const most = Math.max(...threads);
  const cases =
    size === 'quick'
      ? [
          { ...quick, name: 'drawn', lists: drawnLists(quick.rows, quick.vocabSize, 8), threads: most, memory: true },
          ...drawnCases(quick, [10, 100], most),
        ]
      : [...(await catalogueCases(most)), ...drawnCases(series, [10, 100, 1000, 10000], most)];
  return cases.map(caseOf);
}

export const allowed: Suite = {
  name: 'allowed',
  description: 'fusedLinearBearLoss with lists of allowed tokens, at the tries of real catalogues and by |A|',
  legend: 'N x V x H, float32, loss and the gradients of hidden and weight; |A|: allowed tokens of a row.',
  listCases,
  targets: [
    {
      name: 'lists / our own masked dense way',
      bars: { any: { must: 1 / 50, aim: 1 / 500 } },
      value: (each) => (each.series ? undefined : ratioOf(each, names.sparse, names.masked)),
    },
    {
      name: 'lists / masked dense loss of PyTorch',
      bars: { any: { must: 1 / 50, aim: 1 / 500 } },
      value: (each) => (each.series ? undefined : ratioOf(each, names.sparse, names.torch)),
    },
  ],
};
