import { Random } from '../random/random.js';
import { type Dataset, LATER_ROWS_FILE, type Row } from './dataset.js';
import type { SplitName } from './protocols.js';

/** Parameters are fitted to `train`, everything else is chosen on `validation`, `test` is looked at once. */
export interface Split {
  train: Row[];
  validation: Row[];
  test: Row[];
}

export interface SplitOptions {
  split: SplitName;
  /** Most rows to train on: a random sample of them. */
  trainRows?: number;
  /** Most rows to validate and most rows to test on. */
  testRows?: number;
}

/** One split for all seeds of a training: results are paired by row. */
const SPLIT_SEED = 1;
const TEST_SHARE = 0.15;
const VALIDATION_SHARE = 0.1;

const SPLITTERS: Readonly<Record<SplitName, (dataset: Dataset) => Split>> = {
  user: (dataset) => splitByUser(withTimes(dataset, 'user').rows, SPLIT_SEED),
  time: (dataset) => splitByTime(withTimes(dataset, 'time')),
  'leave-one-out': leaveOneOut,
};

export function splitDataset(dataset: Dataset, options: SplitOptions): Split {
  const split = SPLITTERS[options.split](dataset);
  const random = new Random(SPLIT_SEED);
  const sample = (rows: Row[], limit = Number.POSITIVE_INFINITY) =>
    rows.length <= limit ? rows : random.shuffled(rows).slice(0, limit);
  return {
    train: sample(split.train, options.trainRows),
    validation: sample(split.validation, options.testRows),
    test: sample(split.test, options.testRows),
  };
}

function withTimes(dataset: Dataset, split: SplitName): Dataset {
  if (!dataset.isUntimed) return dataset;
  throw new Error(`${dataset.description}: holds histories without times, which a split by ${split} needs`);
}

/** Of each user the last item tests, the one before validates, and all earlier ones but the first are training targets. */
function leaveOneOut({ rows, isUntimed, description }: Dataset): Split {
  if (!isUntimed) throw new Error(`${description}: a leave-one-out split needs whole histories (NAME.inter.json)`);
  const split = {
    train: rows.filter(({ time }) => time < -1),
    validation: rows.filter(({ time }) => time === -1),
    test: rows.filter(({ time }) => time === 0),
  };
  if (split.train.length === 0) {
    throw new Error(`${description}: a leave-one-out split needs a history of at least four items`);
  }
  return split;
}

/** No row of a validation or test user is trained on: rows of one user are overlapping windows of one history. */
function splitByUser(rows: readonly Row[], seed: number): Split {
  const users = new Random(seed).shuffled([...new Set(rows.map(({ user }) => user))]);
  if (users.length < 3) throw new Error(`a split by user needs at least three users, the data has ${users.length}`);
  const count = (share: number) => Math.max(1, Math.round(users.length * share));
  const testCount = Math.min(count(TEST_SHARE), users.length - 2);
  const validationCount = Math.min(count(VALIDATION_SHARE), users.length - 1 - testCount);
  const testUsers = new Set(users.slice(0, testCount));
  const validationUsers = new Set(users.slice(testCount, testCount + validationCount));
  return {
    train: rows.filter(({ user }) => !testUsers.has(user) && !validationUsers.has(user)),
    validation: rows.filter(({ user }) => validationUsers.has(user)),
    test: rows.filter(({ user }) => testUsers.has(user)),
  };
}

/**
 * The authors' split: all test rows are later than all training rows, with weeks between. The latest training rows validate.
 * So that training meets what the test will be, purchases of others are known only up to as long before a training row's
 * time as the gap is long.
 */
function splitByTime({ rows, laterRows, description }: Dataset): Split {
  if (laterRows.length === 0) throw new Error(`${description}: a split by time needs ${LATER_ROWS_FILE}`);
  const ordered = [...rows].sort((a, b) => a.time - b.time);
  const trainCount = Math.max(1, Math.round(ordered.length * (1 - VALIDATION_SHARE)));
  const lastTime = (ordered.at(-1) as Row).time;
  const gap = Math.max(0, medianTime(laterRows) - lastTime);
  const delayed = ordered.map((row) => ({ ...row, knownUntil: row.time - gap }));
  return { train: delayed.slice(0, trainCount), validation: delayed.slice(trainCount), test: laterRows };
}

function medianTime(rows: readonly Row[]): number {
  const times = rows.map(({ time }) => time).sort((a, b) => a - b);
  return times[times.length >> 1] as number;
}
