import { buildCatalogue } from '../../src/data/catalogue';
import { buildVocabulary, tokenizeTitles } from '../../src/data/tokenizer';

const TITLES = new Map([
  [3, 'Alder Gel Pen, Blue'],
  [7, 'Alder Gel Pen, Red'],
  [5, 'Alder Spiral Notebook'],
  [9, 'Alder Gel Pen, Red'],
  [11, ''],
]);

describe('tokenizeTitles', () => {
  it('puts the title in quotes and ends it', async () => {
    const { default: tokenizer } = await import('llama3-tokenizer-js');
    const [tokens] = await tokenizeTitles(['HP 12C Financial Calculator']);
    expect(tokenizer.decode(tokens as number[])).toBe('"HP 12C Financial Calculator"<|end_of_text|>');
  });
});

describe('buildVocabulary', () => {
  const sequences = [
    [900, 20, 30, 1],
    [900, 20, 40, 1],
    [900, 50, 30, 1],
  ];
  const vocabulary = buildVocabulary(sequences);

  it('numbers the tokens in use, those of choices first', () => {
    expect([vocabulary.size, vocabulary.choices]).toEqual([6, 4]);
    expect(vocabulary.decode([0, 1, 2, 3, 4, 5])).toEqual([20, 30, 40, 50, 1, 900]);
  });

  it('goes there and back', () => {
    for (const sequence of sequences) expect(vocabulary.decode(vocabulary.encode(sequence))).toEqual(sequence);
    expect(() => vocabulary.encode([31])).toThrow('token 31 is in no title');
    expect(() => vocabulary.decode([6])).toThrow('there is no token 6');
  });
});

describe('buildCatalogue', () => {
  it('leads to every title by its choices and what they force', async () => {
    const { trie, choices, indexOf, vocabulary, itemTokens, branches } = await buildCatalogue(TITLES);
    for (const id of TITLES.keys()) {
      const index = indexOf.get(id) as number;
      let node = trie.nextChoice(0);
      for (const choice of choices[index] as (typeof choices)[number]) {
        expect(choice.node).toBe(node);
        expect(choice.token).toBeLessThan(vocabulary.choices);
        const since = branches.tokensSinceChoice[branches.numberOf[node] as number] as number[];
        expect(trie.path(node).slice(trie.path(node).length - since.length)).toEqual(since);
        node = trie.nextChoice(trie.child(node, choice.token));
      }
      expect(node).toBe(trie.leafOf(id));
      expect(trie.path(node)).toEqual(itemTokens[index]);
    }
  });

  it('refuses an item without any token, by its id', async () => {
    const words = async (titles: readonly string[]) => titles.map((title) => [...title].map((_, place) => place));
    await expect(buildCatalogue(TITLES, words)).rejects.toThrow('item 11 has no token: its title is ""');
  });

  it('refuses items of one title only: nothing is left to decide', async () => {
    await expect(
      buildCatalogue(
        new Map([
          [1, 'Pen'],
          [2, 'Pen'],
        ]),
      ),
    ).rejects.toThrow('all 2 items have the title "Pen"');
  });

  it('counts items that share a title, and gives them one leaf', async () => {
    const { trie, itemsWithSharedLeaf } = await buildCatalogue(TITLES);
    expect(itemsWithSharedLeaf).toBe(2);
    expect([...trie.items(trie.leafOf(7))]).toEqual([7, 9]);
  });
});
