/** Calls of the linear form, and what they come to in float64. */
import type { LinearBearLossOptions, LinearBearLossResult, LinearNeed, Reduction } from '../../lib/index';
import { bearLossReference, type ReferenceOptions, type ReferenceResult } from '../reference/bear-loss-reference';
import { bytesOf, decode, encode } from '../support/dtype';
import { SeededRandom } from '../support/random';

/** Any options but a sparse gradient. */
export type DenseOptions = LinearBearLossOptions<Reduction, readonly LinearNeed[] | undefined, boolean, false>;

export interface LinearCall {
  hidden: Float32Array | Uint16Array;
  weight: Float32Array | Uint16Array;
  targets: Int32Array;
  rows: number;
  vocabSize: number;
  hiddenSize: number;
  dtype: 'float32' | 'bfloat16';
  options: DenseOptions;
}

export interface Shape {
  rows: number;
  vocabSize: number;
  hiddenSize: number;
}

/** Random factors, whose logits are about as far apart as those of a model. */
export function randomCall(
  seed: number,
  { rows, vocabSize, hiddenSize }: Shape,
  options: DenseOptions = {},
  dtype: LinearCall['dtype'] = 'float32',
): LinearCall {
  const random = new SeededRandom(seed);
  const numbers = (length: number, scale: number) =>
    encode(
      Array.from({ length }, () => scale * random.normal()),
      dtype,
    ) as Float32Array | Uint16Array;
  return {
    hidden: numbers(rows * hiddenSize, 2 / Math.sqrt(hiddenSize)),
    weight: numbers(vocabSize * hiddenSize, 1),
    targets: Int32Array.from({ length: rows }, () => random.integer(vocabSize)),
    rows,
    vocabSize,
    hiddenSize,
    dtype,
    options: { hiddenSize, dtype, ...options },
  };
}

export function argumentsOf(call: LinearCall): [LinearCall['hidden'], LinearCall['weight'], Int32Array] {
  return [call.hidden, call.weight, call.targets];
}

/** Bias per entry of `allowed.tokens`. */
type EntryBias = { bias?: Float32Array };

export interface LinearReference {
  loss: ReferenceResult;
  gradHidden: Float64Array;
  gradWeight: Float64Array;
  gradBias: Float64Array;
  /** [entries] of `allowed.tokens`. */
  gradAllowedBias: Float64Array;
}

export function linearReference(call: LinearCall): LinearReference {
  const { rows, vocabSize, hiddenSize, options } = call;
  const hidden = decode(call.hidden, call.dtype);
  const weight = decode(call.weight, call.dtype);
  const lists = options.allowed && 'offsets' in options.allowed ? options.allowed : undefined;
  const entryBias = (lists as EntryBias | undefined)?.bias;
  const logits = Array.from({ length: rows }, (_, row) =>
    Float64Array.from({ length: vocabSize }, (_, token) => {
      let sum = options.bias?.[token] ?? 0;
      for (let k = 0; k < hiddenSize; k++) {
        sum += (hidden[row * hiddenSize + k] as number) * (weight[token * hiddenSize + k] as number);
      }
      return sum;
    }),
  );
  const entries: { row: number; token: number }[] = [];
  for (let row = 0; lists !== undefined && row < rows; row++) {
    for (let entry = lists.offsets[row] as number; entry < (lists.offsets[row + 1] as number); entry++) {
      const token = lists.tokens[entry] as number;
      entries.push({ row, token });
      const rowLogits = logits[row] as Float64Array;
      rowLogits[token] = (rowLogits[token] as number) + (entryBias?.[entry] ?? 0);
    }
  }
  const loss = bearLossReference(logits, call.targets, options as ReferenceOptions);
  const gradHidden = new Float64Array(rows * hiddenSize);
  const gradWeight = new Float64Array(vocabSize * hiddenSize);
  const gradBias = new Float64Array(vocabSize);
  for (let row = 0; row < rows; row++) {
    for (let token = 0; token < vocabSize; token++) {
      const slope = loss.gradient[row * vocabSize + token] as number;
      if (slope === 0) continue;
      gradBias[token] = (gradBias[token] as number) + slope;
      for (let k = 0; k < hiddenSize; k++) {
        const [h, w] = [row * hiddenSize + k, token * hiddenSize + k];
        gradHidden[h] = (gradHidden[h] as number) + slope * (weight[w] as number);
        gradWeight[w] = (gradWeight[w] as number) + slope * (hidden[h] as number);
      }
    }
  }
  const gradAllowedBias = Float64Array.from(
    entries,
    ({ row, token }) => loss.gradient[row * vocabSize + token] as number,
  );
  return { loss, gradHidden, gradWeight, gradBias, gradAllowedBias };
}

/** Everything that a result says, as bytes. */
export function bitsOf(result: Partial<LinearBearLossResult>): Record<string, string> {
  const views: [string, ArrayBufferView][] = [];
  for (const [name, value] of Object.entries({ ...result, ...(result.rows as object | undefined) })) {
    if (ArrayBuffer.isView(value)) views.push([name, value]);
    else if (typeof value === 'number') views.push([name, Float64Array.of(value)]);
  }
  return Object.fromEntries(views.map(([name, view]) => [name, bytesOf(view).toString('base64')]));
}
