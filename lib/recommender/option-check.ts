import { beamSearch, TokenTrie } from '../decoding/index.js';
import { type BearLossResult, fusedBearLoss } from '../index.js';
import { lossOptions } from './losses.js';
import { flagOf, type RunOptions, runOptionsShape } from './run-options.js';
import { ShapeError } from './shape.js';

/**
 * Tries the options of a run on a loss and a search of two tokens: what they refuse, a training would stumble over later.
 *
 * @throws RangeError that says which option and why
 */
export async function requireUsableOptions(options: RunOptions): Promise<void> {
  try {
    // As a file has them: fields that are undefined are not there.
    runOptionsShape(JSON.parse(JSON.stringify(options)), '');
  } catch (cause) {
    if (!(cause instanceof ShapeError)) throw cause;
    throw new RangeError(`options: ${cause.message}`, { cause });
  }
  const { lambda, lambdas = [lambda], loss, xi, searchTemperature = 1, beamWidth } = options;
  const tried = { ...lossOptions(options), ...(loss === 'bear' && { lambda: Math.max(...lambdas) }) };
  let result: BearLossResult;
  try {
    const logits = { data: Float32Array.of(0, 1), shape: [1, 2] };
    result = fusedBearLoss(logits, Int32Array.of(0), { ...tried, gradient: false });
  } catch (cause) {
    throw new RangeError(`the loss refuses the options: ${(cause as Error).message}`, { cause });
  }
  if (!Number.isFinite(result.loss)) {
    throw new RangeError(`the loss is ${result.loss} with ${flagOf('lambda')} ${lambda} and ${flagOf('xi')} ${xi}`);
  }
  try {
    const trie = TokenTrie.fromSequences([[0], [1]]);
    const step = () => ({ state: undefined, logits: Float32Array.of(0, 1), layout: 'allowed' as const });
    await beamSearch({ trie, step, users: 1, beamWidth, temperature: searchTemperature });
  } catch (cause) {
    throw new RangeError(`the search refuses the options: ${(cause as Error).message}`, { cause });
  }
}
