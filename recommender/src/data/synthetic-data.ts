import { Random } from '../random/random.js';
import type { Dataset, Row } from './dataset.js';

export interface SyntheticSize {
  items: number;
  users: number;
  /** Purchases of a user; windows of them are the rows. */
  purchases: number;
}

const BRANDS = [
  'Alder',
  'Birchwood',
  'Cobalt',
  'Dunmore',
  'Everline',
  'Fairmont',
  'Granite',
  'Hollis',
  'Ironside',
  'Juniper',
  'Kestrel',
  'Lakeland',
  'Meridian',
  'Northgate',
  'Oakridge',
  'Pinewood',
];
const PRODUCTS = [
  'Ballpoint Pen',
  'Gel Pen',
  'Spiral Notebook',
  'Legal Pad',
  'Desk Lamp',
  'Desk Organizer',
  'Paper Shredder',
  'Paper Clips',
  'Ink Cartridge',
  'Laser Toner',
  'Label Maker',
  'Label Tape',
  'Whiteboard Marker',
  'Whiteboard Eraser',
  'File Folder',
  'File Cabinet',
];
const VARIANTS = ['Black', 'Blue', 'Red', 'Green', 'Small', 'Large', 'Pack of 6', 'Pack of 12', 'Pack of 50', 'Deluxe'];
const HISTORY_LENGTH = 10;
const SHORTEST_ROW = 5;
const START = 1_400_000_000;
const DAY = 86_400;

// The process. These numbers were written down, in README.md too, before the first run on what it makes.
/** Kinds of product that tend to follow each ordered pair of kinds. */
const SUCCESSORS = 2;
/** How often one of them does; else the next kind is any. */
const ROUTINE_SHARE = 0.8;
/** How often the next item is of the user's favourite brand, if that brand has the kind; else it is any item of the kind. */
const LOYAL_SHARE = 0.75;

interface Item {
  id: number;
  brand: number;
  product: number;
}

/**
 * A made-up catalogue and made-up users, the same for the same seed. Titles are a brand, a product and a variant; the k-th brand
 * has items in proportion to 1 / sqrt(k), so that some prefixes leave many choices and others few. A user has a favourite
 * brand. What kind of product comes next depends on the last two kinds and on their order. So the next item follows from
 * three things: the last item, the one before, and what the history as a whole says of its user. Counts of pairs of
 * items hold each of them in part only.
 */
export function syntheticDataset(size: SyntheticSize, seed: number): Dataset {
  const random = new Random(seed);
  const catalogue = makeCatalogue(size.items, random);
  const items = catalogue.map(({ item }) => item);
  const products = [...new Set(items.map(({ product }) => product))];
  const successors = PRODUCTS.map(() =>
    PRODUCTS.map(() => Array.from({ length: SUCCESSORS }, () => random.pick(products))),
  );
  const nextItem = (favourite: number, [before, last]: readonly Item[]): Item => {
    const usual = last && before && successors[before.product]?.[last.product];
    const product = random.pick(usual && random.uniform() < ROUTINE_SHARE ? usual : products);
    const ofProduct = items.filter((item) => item.product === product);
    const ofFavourite = ofProduct.filter(({ brand }) => brand === favourite);
    return random.pick(ofFavourite.length > 0 && random.uniform() < LOYAL_SHARE ? ofFavourite : ofProduct);
  };
  const rows: Row[] = [];
  for (let user = 1; user <= size.users; user++) {
    const { brand } = random.pick(items);
    const bought: Item[] = [];
    while (bought.length < size.purchases) bought.push(nextItem(brand, bought.slice(-2)));
    const ids = bought.map(({ id }) => id);
    for (let end = SHORTEST_ROW; end <= ids.length; end++) {
      const history = ids.slice(Math.max(0, end - 1 - HISTORY_LENGTH), end - 1);
      rows.push({ user, history, target: ids[end - 1] as number, time: START + end * DAY + user });
    }
  }
  const titles = new Map(catalogue.map(({ item, title }) => [item.id, title]));
  return { description: `SYNTHETIC data, made up from seed ${seed}`, titles, rows, laterRows: [] };
}

function makeCatalogue(count: number, random: Random): { item: Item; title: string }[] {
  const all = BRANDS.flatMap((brandName, brand) =>
    PRODUCTS.flatMap((productName, product) =>
      VARIANTS.map((variant) => ({
        brand,
        product,
        title: `${brandName} ${productName}, ${variant}`,
        // The smallest of exponential variables are a sample without replacement, weighted by their rates.
        arrival: -Math.log(1 - random.uniform()) * Math.sqrt(brand + 1),
      })),
    ),
  );
  if (count > all.length) throw new RangeError(`items: at most ${all.length} titles can be made up, got ${count}`);
  return all
    .sort((a, b) => a.arrival - b.arrival)
    .slice(0, count)
    .map(({ brand, product, title }, index) => ({ item: { id: index + 1, brand, product }, title }));
}
