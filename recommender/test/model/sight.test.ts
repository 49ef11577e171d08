import { startDevice, toHost } from '../../src/model/device';
import { decoderSight, historySight } from '../../src/model/sight';

beforeAll(startDevice);

/** Which of `count` columns each row sees. */
function seenBy(scores: Float32Array, count: number): number[][] {
  return Array.from({ length: scores.length / count }, (_, row) =>
    [...Array(count).keys()].filter((column) => scores[row * count + column] === 0),
  );
}

// Three places of the history, four of the arrays: the first one is always empty.
const ITEMS = Int32Array.of(-1, -1, 5, 6, -1, 7, 8, 9);

describe('historySight', () => {
  it('lets each place see itself and the items before it', async () => {
    const { history } = await toHost(historySight(ITEMS, 3));
    expect(seenBy(history, 4)).toEqual([[0], [1], [2], [2, 3], [0], [1], [1, 2], [1, 2, 3]]);
  });

  it('tells how many places back an item is', async () => {
    const { distances } = await toHost(historySight(Int32Array.of(-1, 1, 2, 3), 3));
    const back = (place: number, seen: number) => [
      ...distances.subarray((place * 4 + seen) * 3, (place * 4 + seen + 1) * 3),
    ];
    expect(back(3, 3)).toEqual([1, 0, 0]);
    expect(back(3, 1)).toEqual([0, 0, 1]);
    expect(back(1, 3)).toEqual([0, 0, 0]);
    // Further than two items can be.
    expect(back(3, 0)).toEqual([0, 0, 0]);
  });
});

describe('decoderSight', () => {
  it('lets a decision see the items up to its place', async () => {
    const { decisions, places } = await toHost(decoderSight(ITEMS, Int32Array.of(2, 3, -1, 1), 3));
    expect(seenBy(decisions, 4)).toEqual([[2], [2, 3], [1, 2, 3], [1]]);
    expect([...places]).toEqual([0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0]);
  });
});
