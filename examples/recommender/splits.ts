import type { Row } from './data.js';
import { Random } from './random.js';

export interface Split {
  train: Row[];
  test: Row[];
  trainUsers: number;
  testUsers: number;
}

/**
 * Splits by user, so that no row of a test user is trained on: rows of one user are overlapping windows of one history.
 * A limit takes a random sample of the rows on its side.
 */
export function splitByUser(
  rows: readonly Row[],
  seed: number,
  options: { testShare?: number; trainRows?: number; testRows?: number } = {},
): Split {
  const { testShare = 0.15, trainRows = Infinity, testRows = Infinity } = options;
  const random = new Random(seed);
  const users = random.shuffled([...new Set(rows.map(({ user }) => user))]);
  if (users.length < 2) throw new Error(`a split by user needs at least two users, the data has ${users.length}`);
  const testCount = Math.min(users.length - 1, Math.max(1, Math.round(users.length * testShare)));
  const testUsers = new Set(users.slice(0, testCount));
  const sample = (wanted: boolean, limit: number) =>
    random.shuffled(rows.filter(({ user }) => testUsers.has(user) === wanted)).slice(0, limit);
  const train = sample(false, trainRows);
  const test = sample(true, testRows);
  return { train, test, trainUsers: countUsers(train), testUsers: countUsers(test) };
}

function countUsers(rows: readonly Row[]): number {
  return new Set(rows.map(({ user }) => user)).size;
}
