import { Mulberry32 } from '../../src/random/mulberry32';

/** The form in which the generator is usually given, which counts in signed 32-bit integers. */
function published(seed: number): () => number {
  let a = seed;
  return () => {
    a |= 0;
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe('Mulberry32', () => {
  it.each([0, 1, 2 ** 31, 2 ** 32 - 1])('gives the numbers of the published generator for seed %d', (seed) => {
    const random = new Mulberry32(seed);
    const next = published(seed);
    for (let draw = 0; draw < 1000; draw++) expect(random.uniform()).toBe(next());
  });

  it('goes on from a state that was written down', () => {
    const random = new Mulberry32(7);
    random.uniform();
    const other = new Mulberry32(random.state);
    expect(other.uniform()).toBe(random.uniform());
  });

  it('splits the next numbers as one by one', () => {
    const [random, other] = [new Mulberry32(3), new Mulberry32(3)];
    const expected = Array.from({ length: 100 }, () => (other.uniform() < 0.3 ? 0 : 1.5));
    expect([...random.split(100, 0.3, 0, 1.5)]).toEqual(expected);
    expect(random.uniform()).toBe(other.uniform());
  });
});
