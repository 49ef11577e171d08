// What a user without this package would write: the loss and its gradient as plain loops over typed arrays. In float64
// throughout, so that with a Float64Array for the gradient it is also what the accuracy is measured against.
import { losses, type Shape } from '../cases';

const { beamWidth, lambda } = losses.BEAR;

// The beamWidth-th largest value, by insertion into a short descending list.
function findThreshold(logits: Float32Array, begin: number, end: number): number {
  const best = new Float64Array(beamWidth).fill(Number.NEGATIVE_INFINITY);
  let threshold = Number.NEGATIVE_INFINITY;
  for (let i = begin; i < end; i++) {
    const logit = logits[i] as number;
    if (logit <= threshold) continue;
    let place = beamWidth - 1;
    for (; place > 0 && (best[place - 1] as number) < logit; place--) best[place] = best[place - 1] as number;
    best[place] = logit;
    threshold = best[beamWidth - 1] as number;
  }
  return threshold;
}

/** BEAR (hinge, detached threshold), mean over the rows; writes the gradient of the first `rows` rows. */
export function plainBearLoss(
  logits: Float32Array,
  targets: Int32Array,
  { rows, vocabSize }: Shape,
  gradient: Float32Array | Float64Array,
  meanOver = rows,
): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const begin = row * vocabSize;
    const end = begin + vocabSize;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = begin; i < end; i++) max = Math.max(max, logits[i] as number);
    let exponentials = 0;
    for (let i = begin; i < end; i++) exponentials += Math.exp((logits[i] as number) - max);
    const logSumExp = max + Math.log(exponentials);
    const target = begin + (targets[row] as number);
    const targetLogit = logits[target] as number;
    const margin = findThreshold(logits, begin, end) - targetLogit;
    sum += logSumExp - targetLogit + lambda * Math.max(0, margin);
    const weight = (1 + (margin > 0 ? lambda : 0)) / meanOver;
    for (let i = begin; i < end; i++) gradient[i] = weight * Math.exp((logits[i] as number) - logSumExp);
    gradient[target] = (gradient[target] as number) - weight;
  }
  return sum / meanOver;
}

/** max_j |g_j - g64_j| / max_j |g64_j| of the worst of the first `rows` rows, as docs/math.md defines it. */
export function gradientError(
  gradient: Float32Array,
  logits: Float32Array,
  targets: Int32Array,
  shape: Shape,
  rows: number,
): number {
  const exact = new Float64Array(rows * shape.vocabSize);
  plainBearLoss(logits, targets, { rows, vocabSize: shape.vocabSize }, exact, shape.rows);
  let worst = 0;
  for (let row = 0; row < rows; row++) {
    let difference = 0;
    let largest = 0;
    for (let i = row * shape.vocabSize; i < (row + 1) * shape.vocabSize; i++) {
      difference = Math.max(difference, Math.abs((gradient[i] as number) - (exact[i] as number)));
      largest = Math.max(largest, Math.abs(exact[i] as number));
    }
    worst = Math.max(worst, difference / largest);
  }
  return worst;
}
