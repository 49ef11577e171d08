// One step of one part, whatever carries the messages: the same code for worker threads and for processes.
import { bearPartials, bearShardGradient, mergeBearPartials } from 'fused-bear-loss';

export const ROWS = 6;
export const VOCAB_SIZE = 1000;
export const PARTS = [
  { firstToken: 0, tokens: 400 },
  { firstToken: 400, tokens: 100 },
  { firstToken: 500, tokens: 300 },
  { firstToken: 800, tokens: 200 },
];
export const OPTIONS = { vocabSize: VOCAB_SIZE, beamWidth: 10, penalty: 'softplus', labelSmoothing: 0.1, rows: true };
export const TARGETS = Int32Array.from({ length: ROWS }, (_, row) => (row * 181) % VOCAB_SIZE);
export const logitOf = (row, token) => Math.fround(4 * Math.sin(row * 7919 + token * 104729));

/** `exchange(partials)` sends them to every other part and resolves to those of all parts, in any order. */
export async function step(logits, firstToken, tokens, exchange, gradLogits) {
  const part = {
    data: logits,
    shape: [ROWS, tokens],
    rowStride: logits.length === ROWS * tokens ? tokens : VOCAB_SIZE,
  };
  const options = { ...OPTIONS, firstToken };
  const merged = mergeBearPartials(await exchange(bearPartials(part, TARGETS, options)), options);
  const out = gradLogits === undefined ? undefined : { gradLogits, rowStride: VOCAB_SIZE };
  return bearShardGradient(part, TARGETS, merged, { ...options, out });
}
