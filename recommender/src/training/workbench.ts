import { buildCatalogue, type Catalogue } from '../data/catalogue.js';
import { type ItemCodes, tokenizeByCode } from '../data/code-index.js';
import type { Dataset } from '../data/dataset.js';
import { type Split, type SplitOptions, splitDataset } from '../data/splits.js';
import { type CodeSource, type ItemTokens, titleCodes } from '../data/title-codes.js';
import { wordsOf } from '../data/title-words.js';
import { startDevice } from '../model/device.js';
import { Evidence, type EvidenceKind } from '../model/evidence.js';
import { Recommender } from '../model/model.js';
import type { ModelSize } from '../model/network-parameters.js';

/** What runs on the same data share. */
export interface Workbench {
  dataset: Dataset;
  /** Where the decoder does not write titles: what it writes for each item. */
  codes?: ItemCodes;
  catalogue: Catalogue;
  split: Split;
  evidence: Evidence;
}

export interface WorkbenchOptions extends SplitOptions {
  /** Default `titles`. */
  itemTokens?: ItemTokens;
  /** Default `titles-and-purchases`. */
  codeSource?: CodeSource;
  /** Default `counts`. */
  evidence?: EvidenceKind;
}

export async function openWorkbench(dataset: Dataset, options: WorkbenchOptions): Promise<Workbench> {
  const split = splitDataset(dataset, options);
  const codes = codesOf(dataset, split, options);
  if (!codes && dataset.isUntitled) {
    throw new Error(`${dataset.description}: its items have no titles; train on codes (--item-tokens codes)`);
  }
  const catalogue = await buildCatalogue(dataset.titles, codes && tokenizeByCode(codes));
  await startDevice();
  return {
    dataset,
    catalogue,
    split,
    evidence: new Evidence(catalogue, split.train, options.evidence),
    ...(codes && { codes }),
  };
}

function codesOf(
  dataset: Dataset,
  { train }: Split,
  { itemTokens = 'titles', codeSource }: WorkbenchOptions,
): ItemCodes | undefined {
  if (itemTokens === 'titles') return undefined;
  if (itemTokens === 'items') return oneTokenCodes(dataset);
  if (dataset.codes) return dataset.codes;
  const { titles, isUntitled, description, wordVectors } = dataset;
  if (isUntitled) throw new Error(`${description}: its items have no titles to make codes of`);
  const codes = titleCodes(titles, train, codeSource, wordVectors);
  return new Map([...titles].map(([item, title]) => [item, codes.get(title) as number[]]));
}

/** Items of one title, or of one given code, have one token, so that a hit is the same whatever the decoder writes. */
function oneTokenCodes({ titles, codes }: Dataset): ItemCodes {
  const tokens = new Map<string, number>();
  return new Map(
    [...titles].map(([item, title]) => {
      const key = codes?.get(item)?.join() ?? title;
      const token = tokens.get(key) ?? tokens.size;
      tokens.set(key, token);
      return [item, [token]];
    }),
  );
}

/** The model of a run before its first step. */
export function modelOf(
  { catalogue, evidence, dataset }: Workbench,
  options: ModelSize & { seed: number },
): Recommender {
  return new Recommender(catalogue, evidence, options, options.seed, dataset.wordVectors);
}

/** The data in a few lines, with what is not clean about it. */
export function describeWorkbench({ dataset, catalogue, split, codes }: Workbench): string {
  const { titles, description, wordVectors } = dataset;
  const { vocabulary, itemsWithSharedLeaf, branches } = catalogue;
  const users = (rows: readonly { user: number }[]) => new Set(rows.map(({ user }) => user)).size;
  const part = (name: string, rows: readonly { user: number }[]) =>
    `${rows.length} ${name} rows of ${users(rows)} users`;
  const lines = [
    `Data: ${description}`,
    `  ${titles.size} items, ${vocabulary.size} tokens${codes ? ' of codes' : ''}, ${vocabulary.choices} of them where there is a choice, ` +
      `${branches.count} prefixes that leave one`,
    `  ${part('training', split.train)}, ${part('validation', split.validation)}, ${part('test', split.test)}`,
  ];
  if (wordVectors) {
    const words = new Set([...titles.values()].flatMap(wordsOf));
    lines.push(`  Word vectors: of ${wordVectors.size} of the ${words.size} words of the titles`);
  }
  if (itemsWithSharedLeaf > 0) {
    lines.push(
      `  Warning: ${itemsWithSharedLeaf} items share a ${codes ? 'code' : 'title'} with another; a hit on any of them is a hit.`,
    );
  }
  const empty = [...titles.values()].filter((title) => title === '').length;
  if (empty > 0) lines.push(`  Warning: ${empty} ${empty === 1 ? 'item has' : 'items have'} an empty title.`);
  return lines.join('\n');
}
