import { fusedBearLoss } from 'fused-bear-loss';
import { beamSearch, TokenTrie } from 'fused-bear-loss/decoding';
import { lossOptions } from './losses.js';
import { flagOf, type RunOptions, runOptionsShape, searchTemperatureOf } from './run-options.js';
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
  const { lambda, lambdas = [lambda], loss, xi, margin, temperature, beamWidth } = options;
  const tried = { ...lossOptions(options), ...(loss === 'bear' && { lambda: Math.max(...lambdas) }) };
  try {
    // A target above the threshold and one below it.
    const logits = { data: Float32Array.of(0, 1, 0, 1), shape: [2, 2] };
    for (const beamWidth of [1, options.lossBeamWidth]) {
      const { loss: value, gradLogits } = fusedBearLoss(logits, Int32Array.of(0, 1), { ...tried, beamWidth });
      const numbers = [value, ...(gradLogits as Float32Array)];
      if (!numbers.every(Number.isFinite)) throw new RangeError('the loss or its gradient is not finite with them');
    }
  } catch (cause) {
    const settings =
      loss === 'bear' ? `${flagOf('lambda')} ${lambdas}, ${flagOf('xi')} ${xi}, ${flagOf('margin')} ${margin}` : loss;
    const all = temperature === 1 ? settings : `${settings}, ${flagOf('temperature')} ${temperature}`;
    throw new RangeError(`the loss refuses the options (${all}): ${(cause as Error).message}`, { cause });
  }
  try {
    const trie = TokenTrie.fromSequences([[0], [1]]);
    const step = () => ({ state: undefined, logits: Float32Array.of(0, 1), layout: 'allowed' as const });
    await beamSearch({ trie, step, users: 1, beamWidth, temperature: searchTemperatureOf(options) });
  } catch (cause) {
    throw new RangeError(`the search refuses the options: ${(cause as Error).message}`, { cause });
  }
}
