// onnxruntime-node: matrix products of its own kernels. Three of them are what the linear form cannot do without.
import type { LinearShape } from '../suites/inputs';
import { gemmModel } from './onnx-model';

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
  /** [N, V]: takes the logits; the other two products read it as if it were their gradient. */
  logits: Float32Array;
  gradHidden: Float32Array;
  gradWeight: Float32Array;
}

export interface Products {
  /** hidden weight^T, G weight and G^T hidden, each into its given array. */
  run(): Promise<void>;
  close(): Promise<void>;
}

export async function openProducts(
  { rows, vocabSize, hiddenSize }: LinearShape,
  factors: Factors,
  threads: number,
): Promise<Products> {
  const { Tensor, InferenceSession } = load() as Onnxruntime;
  const [n, v, h] = [rows, vocabSize, hiddenSize];
  const tensor = (data: Float32Array, ...dims: number[]) => new Tensor('float32', data, dims);
  const hidden = tensor(factors.hidden, n, h);
  const weight = tensor(factors.weight, v, h);
  const logits = tensor(factors.logits, n, v);
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1 };
  const create = (turnsA: boolean, turnsB: boolean) => InferenceSession.create(gemmModel(turnsA, turnsB), options);
  const sessions = await Promise.all([create(false, true), create(false, false), create(true, false)]);
  const [forward, ofHidden, ofWeight] = sessions as [Session, Session, Session];
  const gradHidden = tensor(factors.gradHidden, n, h);
  const gradWeight = tensor(factors.gradWeight, v, h);
  return {
    run: async () => {
      await forward.run({ a: hidden, b: weight }, { y: logits });
      await ofHidden.run({ a: logits, b: weight }, { y: gradHidden });
      await ofWeight.run({ a: logits, b: hidden }, { y: gradWeight });
    },
    close: async () => {
      for (const session of sessions) await session.release();
    },
  };
}
