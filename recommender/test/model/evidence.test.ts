import { TokenTrie } from 'fused-bear-loss/decoding';
import { buildCatalogue, type Catalogue } from '../../src/data/catalogue';
import type { Row } from '../../src/data/dataset';
import { channelCount, Evidence } from '../../src/model/evidence';

const CHANNELS = channelCount('counts');

// Letters as tokens: there is a choice between a and b, then between x and y.
const titles = new Map([
  [1, 'ax'],
  [2, 'ay'],
  [3, 'bx'],
  [4, 'by'],
]);
const letters = async (texts: readonly string[]) =>
  texts.map((text) => [...text].map((letter) => letter.charCodeAt(0)));
const train: Row[] = [
  { user: 1, history: [1], target: 3, time: 10 },
  { user: 2, history: [1, 2], target: 3, time: 20 },
  { user: 3, history: [2], target: 4, time: 30 },
];
let catalogue: Catalogue;
let evidence: Evidence;

beforeAll(async () => {
  catalogue = await buildCatalogue(titles, letters);
  evidence = new Evidence(catalogue, train);
});

/** Masses of the choices between a and b, by channel. */
function massesAtRoot(query: Parameters<Evidence['masses']>[0]): { a: number[]; b: number[] } {
  const masses = new Float32Array(evidence.massLength);
  evidence.masses(query, masses);
  const logMasses = new Float32Array(2 * CHANNELS);
  evidence.childLogMasses(masses, 0, TokenTrie.root, logMasses, 0);
  const [a = [], b = []] = [0, 1].map((child) =>
    [...logMasses.subarray(child * CHANNELS, (child + 1) * CHANNELS)].map((mass) => Math.exp(mass)),
  );
  return { a, b };
}

function expectMasses(masses: number[], expected: number[]): void {
  expect(masses).toHaveLength(expected.length);
  for (const [channel, mass] of masses.entries()) expect(mass).toBeCloseTo(expected[channel] as number, 4);
}

describe('Evidence', () => {
  it('counts what followed the history, what was bought before, and what the history holds, over a prior', () => {
    const { a, b } = massesAtRoot({ history: [1], time: 25 });
    // Two items below each choice. After item 1: item 3 at once (1) and two places later (1/2), item 2 at once (1).
    // Before time 25: item 3 twice.
    expectMasses(a, [0.2 + 1, 0.04 + 1, 0.4, 0.6, 1, 0.2 + 1]);
    expectMasses(b, [0.2 + 1.5, 0.04 + 1.5, 0.4 + 2, 0.6 + 2, 1 + 2, 0.2]);
  });

  it('lets older items of the history count less', () => {
    const { b } = massesAtRoot({ history: [1, 2], time: 5 });
    // After 2: item 3 and item 4 at once; after 1, one place older: 3/2 of item 3, halved.
    expectMasses(b.slice(0, 2), [0.2 + 2 + 0.75, 0.04 + 2 + 0.75]);
  });

  it('leaves out what the user did, and what is not known yet', () => {
    const { a, b } = massesAtRoot({ history: [1], time: 25, user: 2 });
    expectMasses(a, [0.2, 0.04, 0.4, 0.6, 1, 0.2 + 1]);
    expectMasses(b, [0.2 + 1, 0.04 + 1, 0.4 + 1, 0.6 + 1, 1 + 1, 0.2]);
    // Only the first row: item 3 at once after item 1.
    expectMasses(massesAtRoot({ history: [1], time: 25, knownUntil: 15 }).b, [1.2, 1.04, 1.4, 1.6, 2, 0.2]);
  });

  it('has the log masses of all decisions toward a target, one after the other', () => {
    const [row] = train as [Row];
    const masses = new Float32Array(evidence.massLength);
    evidence.masses(row, masses);
    const nodes = (catalogue.choices[catalogue.indexOf.get(3) as number] ?? []).map(({ node }) => node);
    const expected = nodes.flatMap((node) => {
      const logMasses = new Float32Array(2 * CHANNELS);
      evidence.childLogMasses(masses, 0, node, logMasses, 0);
      return [...logMasses];
    });
    expect(nodes).toHaveLength(2);
    expect([...evidence.logMassesTo(row)]).toEqual(expected);
    // The same when it is kept.
    expect([...evidence.logMassesTo(row)]).toEqual(expected);
  });
});
