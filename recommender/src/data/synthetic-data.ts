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
const FOLLOWERS_PER_ITEM = 4;
const START = 1_400_000_000;
const DAY = 86_400;

/**
 * A made-up catalogue and made-up users, the same for the same seed. Titles are a brand, a product and a variant, so they
 * share beginnings as real ones do. Each item has a few items that tend to follow it, and each user a favourite brand: there
 * is something to learn from the history, and noise.
 */
export function syntheticDataset(size: SyntheticSize, seed: number): Dataset {
  const random = new Random(seed);
  const titles = makeTitles(size.items, random);
  const items = [...titles.keys()];
  const brands = BRANDS.map((brand) => items.filter((item) => titles.get(item)?.startsWith(brand)));
  const stockedBrands = brands.filter((stock) => stock.length > 0);
  const followers = new Map(
    items.map((item) => [item, Array.from({ length: FOLLOWERS_PER_ITEM }, () => random.pick(items))]),
  );
  const rows: Row[] = [];
  for (let user = 1; user <= size.users; user++) {
    const favourites = random.pick(stockedBrands);
    const bought = [random.pick(favourites)];
    while (bought.length < size.purchases) {
      const choices =
        random.uniform() < 0.7 ? followers.get(bought.at(-1) as number) : random.pick([favourites, items]);
      bought.push(random.pick(choices as number[]));
    }
    for (let end = SHORTEST_ROW; end <= bought.length; end++) {
      const history = bought.slice(Math.max(0, end - 1 - HISTORY_LENGTH), end - 1);
      rows.push({ user, history, target: bought[end - 1] as number, time: START + end * DAY + user });
    }
  }
  return { description: `SYNTHETIC data, made up from seed ${seed}`, titles, rows, laterRows: [] };
}

function makeTitles(count: number, random: Random): Map<number, string> {
  const all = BRANDS.flatMap((brand) =>
    PRODUCTS.flatMap((product) => VARIANTS.map((variant) => `${brand} ${product}, ${variant}`)),
  );
  if (count > all.length) throw new RangeError(`items: at most ${all.length} titles can be made up, got ${count}`);
  return new Map(
    random
      .shuffled(all)
      .slice(0, count)
      .map((title, index) => [index + 1, title]),
  );
}
