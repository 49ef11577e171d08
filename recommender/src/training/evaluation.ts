import {
  beamSearch,
  exactTopItems,
  ndcgAt,
  type RankedItem,
  rankOfItem,
  type StepFunction,
  traceTargets,
} from 'fused-bear-loss/decoding';
import type { Row } from '../data/dataset.js';
import type { Recommender } from '../model/model.js';
import { makeSearchStep, queriesAtOnce, roomForMasses } from '../model/search-step.js';
import { Random } from '../random/random.js';

export interface Evaluation {
  /** Rank of each row's target in the result of beam search, counted from 0; -1 where it is not there. */
  beamRanks: number[];
  /** The rows whose exact ranking was computed, ascending. */
  exactRows: number[];
  /** Rank of the targets of `exactRows` among all items, by exact scores. */
  exactRanks: number[];
  /** As `traceTargets` has them: the decision at which the beam lost each row's target, or -1, and how many there were. */
  droppedAt: number[];
  steps: number[];
  /** Time of the beam search. */
  searchMilliseconds: number;
  /** Time of the exact rankings, after what the search has prepared. Earlier versions did not take it. */
  exactMilliseconds?: number;
}

export interface EvaluationOptions {
  beamWidth: number;
  /** Divides the logits; default 1. */
  temperature?: number;
  /** Most rows whose exact ranking is computed: a random sample, the same for all models. Default all. */
  exactRows?: number;
  /** Called now and then. `total` counts each row, and each row of the exact ranking once more. */
  onProgress?: (done: number, total: number) => void;
}

/** Searched at once, so that progress can be seen. */
const MOST_ROWS = 256;
/** One sample for all runs: their results are paired by row. */
const SAMPLE_SEED = 1;

/** Beam search, and what it should have found. */
export async function evaluate(
  model: Recommender,
  rows: readonly Row[],
  { beamWidth, temperature = 1, exactRows = rows.length, onProgress }: EvaluationOptions,
): Promise<Evaluation> {
  const { trie } = model.catalogue;
  const sample = new Set(sampleOf(rows.length, exactRows));
  const evaluation: Evaluation = {
    beamRanks: [],
    exactRows: [...sample],
    exactRanks: [],
    droppedAt: [],
    steps: [],
    searchMilliseconds: 0,
  };
  let exactMilliseconds = 0;
  let first = 0;
  const tell = () =>
    onProgress?.(evaluation.beamRanks.length + evaluation.exactRanks.length, rows.length + sample.size);
  const masses = roomForMasses(model, chunkSize(model, rows));
  for (const some of chunks(model, rows)) {
    const started = performance.now();
    const step = await makeSearchStep(model, some, masses);
    const targets = some.map(({ target }) => target);
    // All at once: the more rows of a step, the fewer calls of the network are not full.
    const search = { step, trie, users: some.length, usersPerStep: some.length, temperature };
    const { rankings, droppedAt, steps } = await traceTargets({ ...search, beamWidth, targets });
    evaluation.searchMilliseconds += performance.now() - started;
    evaluation.beamRanks.push(...targetRanks(rankings, some));
    evaluation.droppedAt.push(...droppedAt);
    evaluation.steps.push(...steps);
    tell();
    const sampled = [...some.keys()].filter((index) => sample.has(first + index));
    first += some.length;
    if (sampled.length === 0) continue;
    const exactStarted = performance.now();
    const exact = {
      ...search,
      step: stepOf(step, sampled),
      users: sampled.length,
      usersPerStep: sampled.length,
      count: beamWidth,
    };
    const sampledRows = sampled.map((index) => some[index] as Row);
    evaluation.exactRanks.push(...targetRanks(await exactTopItems(exact), sampledRows));
    exactMilliseconds += performance.now() - exactStarted;
    tell();
  }
  return { ...evaluation, exactMilliseconds };
}

/** Of the rows whose exact ranking is known: what tells the search from the model. */
export function ofExactRows({
  exactRows,
  exactRanks,
  ...all
}: Evaluation): Pick<Evaluation, 'exactRanks' | 'beamRanks' | 'droppedAt' | 'steps'> {
  const pick = (values: readonly number[]) => exactRows.map((row) => values[row] as number);
  return { exactRanks, beamRanks: pick(all.beamRanks), droppedAt: pick(all.droppedAt), steps: pick(all.steps) };
}

function sampleOf(rows: number, count: number): number[] {
  const all = Array.from({ length: rows }, (_, row) => row);
  if (count >= rows) return all;
  return new Random(SAMPLE_SEED)
    .shuffled(all)
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** A step for some of the queries of another: user i is `users[i]` there. */
function stepOf(step: StepFunction<undefined>, users: readonly number[]): StepFunction<undefined> {
  return (request) => step({ ...request, users: request.users.map((user) => users[user] as number) });
}

/** NDCG@10 of the beam search alone: what validation looks at. */
export async function validationNdcg(
  model: Recommender,
  rows: readonly Row[],
  { beamWidth, temperature = 1, onProgress }: Omit<EvaluationOptions, 'exactRows'>,
): Promise<number> {
  const ranks: number[] = [];
  const masses = roomForMasses(model, chunkSize(model, rows));
  for (const some of chunks(model, rows)) {
    const step = await makeSearchStep(model, some, masses);
    const search = { step, trie: model.catalogue.trie, users: some.length, usersPerStep: some.length, temperature };
    const found = await beamSearch({ ...search, beamWidth });
    ranks.push(...targetRanks(found, some));
    onProgress?.(ranks.length, rows.length);
  }
  return ndcgAt(ranks, 10);
}

function targetRanks(rankings: readonly RankedItem[][], rows: readonly Row[]): number[] {
  return rankings.map((ranking, row) => rankOfItem(ranking, rows[row]?.target ?? -1));
}

/** The rows that one search serves. */
export function chunks(model: Recommender, rows: readonly Row[]): Row[][] {
  const size = chunkSize(model, rows);
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) =>
    rows.slice(index * size, (index + 1) * size),
  );
}

function chunkSize(model: Recommender, rows: readonly Row[]): number {
  return Math.min(MOST_ROWS, queriesAtOnce(model), rows.length);
}
