import type { Dataset, Row } from '../../src/data/dataset';
import { splitDataset } from '../../src/data/splits';
import { syntheticDataset } from '../../src/data/synthetic-data';

const dataset = syntheticDataset({ items: 100, users: 60, purchases: 9 }, 3);
const usersOf = (rows: readonly Row[]) => new Set(rows.map(({ user }) => user));

describe('the split by user', () => {
  const { train, validation, test } = splitDataset(dataset, { split: 'user' });

  it('has each user in one part and loses no row', () => {
    expect([train, validation, test].map((rows) => usersOf(rows).size)).toEqual([45, 6, 9]);
    expect(usersOf([...train, ...validation, ...test]).size).toBe(60);
    expect(new Set([...train, ...validation, ...test]).size).toBe(dataset.rows.length);
  });

  it('is always the same', () => {
    expect(splitDataset(dataset, { split: 'user' })).toEqual({ train, validation, test });
  });

  it('takes at most as many rows as asked for, of the same users', () => {
    const some = splitDataset(dataset, { split: 'user', trainRows: 20, testRows: 7 });
    expect([some.train.length, some.validation.length, some.test.length]).toEqual([20, 7, 7]);
    expect([...usersOf(some.test)].filter((user) => !usersOf(test).has(user))).toEqual([]);
  });

  it('refuses data of two users', () => {
    const rows = dataset.rows.filter(({ user }) => user <= 2);
    expect(() => splitDataset({ ...dataset, rows }, { split: 'user' })).toThrow('at least three users, the data has 2');
  });
});

describe('the split by time', () => {
  const row = (time: number): Row => ({ user: 1, history: [1], target: 2, time });
  const rows = [90, 20, 30, 40, 50, 60, 70, 80, 10, 100].map(row);
  const timed: Dataset = { ...dataset, rows, laterRows: [120, 130, 140].map(row) };

  it('validates on the latest training rows and tests on later ones', () => {
    const { train, validation, test } = splitDataset(timed, { split: 'time' });
    expect(train.map(({ time }) => time)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(validation.map(({ time }) => time)).toEqual([100]);
    expect(test).toEqual(timed.laterRows);
  });

  it('lets training rows know of others only what test rows will: with the gap between', () => {
    const { train } = splitDataset(timed, { split: 'time' });
    expect(train[3]).toEqual({ ...row(40), knownUntil: 10 });
  });

  it('refuses data without later rows', () => {
    expect(() => splitDataset(dataset, { split: 'time' })).toThrow('test_5000.csv');
  });
});

describe('the split by leave-one-out', () => {
  const rows = [1, 2].flatMap((user) =>
    [-3, -2, -1, 0].map((time): Row => ({ user, history: [1], target: 2, time, isNested: true })),
  );
  const histories: Dataset = { ...dataset, rows, isUntimed: true };

  it("tests on each user's last row, validates on the one before, and trains on all earlier ones", () => {
    const { train, validation, test } = splitDataset(histories, { split: 'leave-one-out' });
    expect(test).toEqual([rows[3], rows[7]]);
    expect(validation).toEqual([rows[2], rows[6]]);
    expect(train).toEqual([rows[0], rows[1], rows[4], rows[5]]);
  });

  it('is for whole histories, and whole histories for it', () => {
    expect(() => splitDataset(dataset, { split: 'leave-one-out' })).toThrow('needs whole histories (NAME.inter.json)');
    for (const split of ['user', 'time'] as const) {
      expect(() => splitDataset(histories, { split })).toThrow(`without times, which a split by ${split} needs`);
    }
  });

  it('refuses histories that leave nothing to train on', () => {
    const short = { ...histories, rows: rows.filter(({ time }) => time >= -1) };
    expect(() => splitDataset(short, { split: 'leave-one-out' })).toThrow('needs a history of at least four items');
  });
});
