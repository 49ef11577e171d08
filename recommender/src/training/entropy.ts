import type { Row } from '../data/dataset.js';
import type { Recommender } from '../model/model.js';
import { makeSearchStep } from '../model/search-step.js';
import { chunks } from './evaluation.js';

/**
 * The logits of decisions but for a constant of each, one list after the other: those of decision i stand from `offsets[i]` to
 * `offsets[i + 1]`, in no order.
 */
export interface DecisionLogits {
  logits: Float32Array;
  offsets: Int32Array;
}

/** Of every decision on the way to the target of each row, by the right prefix. */
export async function decisionLogits(model: Recommender, rows: readonly Row[]): Promise<DecisionLogits> {
  const { trie, choices, indexOf } = model.catalogue;
  const parts: Float32Array[] = [];
  const offsets = [0];
  for (const some of chunks(model, rows)) {
    const step = await makeSearchStep(model, some);
    const path = some.flatMap(({ target }, user) =>
      (choices[indexOf.get(target) as number] ?? []).map(({ node }) => ({ user, node })),
    );
    const nodes = Int32Array.from(path, ({ node }) => node);
    const none = new Int32Array(nodes.length + 1);
    const beamWidth = nodes.reduce((most, node) => Math.max(most, trie.childCount(node)), 1);
    const { top } = await step({
      users: Int32Array.from(path, ({ user }) => user),
      nodes,
      parents: new Int32Array(nodes.length).fill(-1),
      state: undefined,
      consumed: { offsets: none, tokens: new Int32Array(0) },
      allowed: trie.allowed(nodes),
      ranking: { beamWidth, temperature: 1, softcap: undefined },
    });
    nodes.forEach((node, row) => {
      parts.push(top.logProbabilities.subarray(row * beamWidth, row * beamWidth + trie.childCount(node)));
      offsets.push((offsets.at(-1) as number) + trie.childCount(node));
    });
  }
  const logits = new Float32Array(offsets.at(-1) as number);
  let start = 0;
  for (const part of parts) {
    logits.set(part, start);
    start += part.length;
  }
  return { logits, offsets: Int32Array.from(offsets) };
}

/** Mean entropy of the decisions, in nats, when the logits are divided by the temperature. */
export function meanEntropy({ logits, offsets }: DecisionLogits, temperature: number): number {
  const decisions = offsets.length - 1;
  let total = 0;
  for (let decision = 0; decision < decisions; decision++) {
    const own = logits.subarray(offsets[decision], offsets[decision + 1]);
    const largest = own.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
    let mass = 0;
    let weighted = 0;
    for (const logit of own) {
      const below = (logit - largest) / temperature;
      const weight = Math.exp(below);
      mass += weight;
      weighted += weight * below;
    }
    total += Math.log(mass) - weighted / mass;
  }
  return total / decisions;
}

/** Temperatures are looked for between 1 / MOST and MOST. */
const MOST_TEMPERATURE = 64;
const HALVINGS = 50;

/**
 * The temperature at which the mean entropy is the one wanted. Entropy rises with the temperature.
 *
 * @throws Error where no temperature from 1/64 to 64 gives it
 */
export function temperatureOfEntropy(decisions: DecisionLogits, wanted: number): number {
  let [low, high] = [1 / MOST_TEMPERATURE, MOST_TEMPERATURE];
  const [least, most] = [meanEntropy(decisions, low), meanEntropy(decisions, high)];
  if (!(wanted >= least && wanted <= most)) {
    const range = `${least.toFixed(4)} to ${most.toFixed(4)}`;
    throw new Error(`no temperature gives a mean entropy of ${wanted.toFixed(4)}: it goes from ${range}`);
  }
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = Math.sqrt(low * high);
    if (meanEntropy(decisions, middle) < wanted) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}
