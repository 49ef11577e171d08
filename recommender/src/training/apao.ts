import type { TokenTrie } from 'fused-bear-loss/decoding';

/** Of the loss of APAO (arXiv 2603.02730) by points: cross-entropy + beta * sum over t of w_t L_t. */
export interface ApaoSettings {
  /** Factor of the prefix losses. */
  beta: number;
  /** How much the worst prefix length counts: w_t is proportional to L_t exp(eta L_t). */
  eta: number;
}

/** The decisions of a batch, row by row; those of an item stand one after the other. */
export interface ItemRows {
  /** Trie nodes; -1 where there is no decision. */
  nodes: Int32Array;
  targets: Int32Array;
}

/**
 * The weight of each row that makes the mean cross-entropy of the counted rows the loss of APAO. L_t is the mean, over the
 * items of at least t tokens, of minus the logarithm of the probability of their first t tokens, divided by t. Tokens without a
 * choice have probability 1. The weights w_t add up to 1 and count as constants: no gradient flows through them.
 *
 * @param nll of each row; any number where there is no decision
 */
export function apaoTokenWeights(
  nll: ArrayLike<number>,
  { nodes, targets }: ItemRows,
  trie: TokenTrie,
  { beta, eta }: ApaoSettings,
): Float32Array {
  const items = itemsOf(nodes, targets, trie);
  const longest = items.reduce((most, { length }) => Math.max(most, length), 0);
  // How many items have t tokens, and the sum of what they lose by their first t tokens.
  const counts = new Float64Array(longest + 1);
  const sums = new Float64Array(longest + 1);
  for (const { rows, length } of items) {
    let next = 0;
    let loss = 0;
    for (let t = 1; t <= length; t++) {
      if (rows[next]?.position === t) loss += nll[(rows[next++] as ItemRow).row] as number;
      counts[t] = (counts[t] as number) + 1;
      sums[t] = (sums[t] as number) + loss;
    }
  }
  const losses = sums.map((sum, t) => (t === 0 ? 0 : sum / (t * (counts[t] as number))));
  const shares = prefixWeights(losses, eta);
  // The factor of a row is the sum over the prefixes that it is in: of t from its position to the length of its item.
  const reached = new Float64Array(longest + 1);
  for (let t = 1; t <= longest; t++) {
    reached[t] = (reached[t - 1] as number) + (shares[t] as number) / (t * (counts[t] as number));
  }
  const counted = items.reduce((sum, { rows }) => sum + rows.length, 0);
  const weights = new Float32Array(nodes.length).fill(1);
  for (const { rows, length } of items) {
    for (const { row, position } of rows) {
      weights[row] = 1 + beta * counted * ((reached[length] as number) - (reached[position - 1] as number));
    }
  }
  return weights;
}

/** w_t of L_t. All are 0 where nothing is lost. */
export function prefixWeights(losses: Float64Array, eta: number): Float64Array {
  const exponents = losses.filter((loss) => loss > 0).map((loss) => eta * loss);
  const highest = exponents.reduce((most, exponent) => Math.max(most, exponent), Number.NEGATIVE_INFINITY);
  // So that no exponential overflows.
  const raw = losses.map((loss) => (loss > 0 ? loss * Math.exp(eta * loss - highest) : 0));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  return sum === 0 ? raw : raw.map((weight) => weight / sum);
}

interface ItemRow {
  row: number;
  /** Of the token to choose, in the item, from 1. */
  position: number;
}

interface Item {
  rows: ItemRow[];
  /** In tokens. */
  length: number;
}

function itemsOf(nodes: Int32Array, targets: Int32Array, trie: TokenTrie): Item[] {
  const items: Item[] = [];
  // Where the decision before leads to: an item begins where no decision leads.
  let next = -1;
  nodes.forEach((node, row) => {
    if (node < 0) return;
    const reached = trie.nextChoice(trie.child(node, targets[row] as number));
    if (node !== next) items.push({ rows: [], length: 0 });
    const item = items.at(-1) as Item;
    item.rows.push({ row, position: trie.path(node).length + 1 });
    if (trie.isLeaf(reached)) item.length = trie.path(reached).length;
    next = reached;
  });
  return items;
}
