// onnxruntime-node: matrix products of its own kernels. Three of them are what the linear form cannot do without.
import type { LinearShape } from '../suites/inputs';
import { productsModel } from './onnx-model';

// Not a literal: nothing here depends on the package.
const PACKAGE: string = 'onnxruntime-node';

interface Tensor {
  data: Float32Array;
}

interface Session {
  run(inputs: Record<string, Tensor>, outputs: Record<string, Tensor>): Promise<unknown>;
  release(): Promise<void>;
}

interface Onnxruntime {
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
  InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  env: { versions: { node?: string; common: string } };
}

function load(): Onnxruntime | undefined {
  try {
    return require(PACKAGE) as Onnxruntime;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

export function onnxruntimeVersion(): string | undefined {
  const { versions } = load()?.env ?? {};
  return versions && (versions.node ?? versions.common);
}

export interface Factors {
  hidden: Float32Array;
  weight: Float32Array;
  /** [N, V], written, as the gradients are. */
  logits: Float32Array;
  gradHidden: Float32Array;
  gradWeight: Float32Array;
}

export interface Products {
  run(): Promise<void>;
  close(): Promise<void>;
}

/** Throws unless the last element of each product is what it must be. */
function checkLast({ rows, vocabSize, hiddenSize }: LinearShape, factors: Factors): void {
  const { hidden, weight, logits, gradHidden, gradWeight } = factors;
  const sum = (length: number, term: (index: number) => number) => {
    let total = 0;
    for (let index = 0; index < length; index++) total += term(index);
    return total;
  };
  const last = { logit: rows * vocabSize - 1, hidden: rows * hiddenSize - 1, weight: vocabSize * hiddenSize - 1 };
  const at = (values: Float32Array, index: number) => values[index] as number;
  const expected: [number, number][] = [
    [at(logits, last.logit), sum(hiddenSize, (h) => at(hidden, last.hidden - h) * at(weight, last.weight - h))],
    [
      at(gradHidden, last.hidden),
      sum(vocabSize, (v) => at(logits, last.logit - v) * at(weight, last.weight - v * hiddenSize)),
    ],
    [
      at(gradWeight, last.weight),
      sum(rows, (n) => at(logits, last.logit - n * vocabSize) * at(hidden, last.hidden - n * hiddenSize)),
    ],
  ];
  // Of sums of up to 10^5 products of both signs.
  const isClose = ([found, wanted]: [number, number]) => Math.abs(found - wanted) <= 1e-3 * (1 + Math.abs(wanted));
  if (!expected.every(isClose)) throw new Error(`onnxruntime: wrong products, ${JSON.stringify(expected)}`);
}

/** The three products of {@link productsModel}, each into its given array. */
export async function openProducts(
  { rows, vocabSize, hiddenSize }: LinearShape,
  factors: Factors,
  threads: number,
): Promise<Products> {
  const { Tensor, InferenceSession } = load() as Onnxruntime;
  const tensor = (data: Float32Array, ...dims: number[]) => new Tensor('float32', data, dims);
  const inputs = {
    hidden: tensor(factors.hidden, rows, hiddenSize),
    weight: tensor(factors.weight, vocabSize, hiddenSize),
  };
  const outputs = {
    logits: tensor(factors.logits, rows, vocabSize),
    gradHidden: tensor(factors.gradHidden, rows, hiddenSize),
    gradWeight: tensor(factors.gradWeight, vocabSize, hiddenSize),
  };
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1 };
  const session = await InferenceSession.create(productsModel(), options);
  const run = async () => {
    await session.run(inputs, outputs);
  };
  await run();
  checkLast({ rows, vocabSize, hiddenSize }, factors);
  return {
    run,
    close: () => session.release(),
  };
}
