// npm run bench -- --suite linear: hidden states and weights to loss and gradients, beside what others do for the same.
import os from 'node:os';
import { fusedLinearBearLoss, type LinearBearLossOptions } from 'fused-bear-loss';
import { threadsName } from '../cases';
import { openJaxCrossEntropy } from '../peers/jax';
import { openProducts } from '../peers/onnxruntime';
import { openTfjsLayer, registerTrainingKernels, tfjsCrossEntropy } from '../peers/tfjs';
import { TorchPeer } from '../peers/torch';
import { blockFile, hiddenStates, type LinearShape, targetsOf, touched, weightScale, weights } from './inputs';
import { megabytesOf, ratioOf } from './results';
import { lazily, type Suite, type SuiteCase, type SuiteContender, timed } from './suite';

const MEBIBYTE = 2 ** 20;

const names = {
  bear: 'BEAR',
  roomy: 'BEAR, workspace 256 MiB',
  bfloat16: 'BEAR, bfloat16',
  roomyBfloat16: 'BEAR, bfloat16, workspace 256 MiB',
  crossEntropy: 'cross-entropy',
  products: 'three products, onnxruntime',
  torchProducts: 'three products, PyTorch',
  authors: "BEAR by the authors' formula, PyTorch",
  torchCrossEntropy: 'cross-entropy, PyTorch',
  torchChunked: "chunked cross-entropy in Liger's way, PyTorch",
  tfjs: 'cross-entropy, tfjs-wasm',
  jax: 'cross-entropy, jax-js',
} as const;

interface LinearCase extends LinearShape {
  threads: number;
  series?: SuiteCase['series'];
  memory?: boolean;
  /** In a series only ours and the products, as PyTorch's memory has an end. */
  allPeers?: boolean;
  roomy?: boolean;
  /** They have one thread and take seconds. */
  javascriptPeers?: boolean;
  /** Of a case that is there for its memory: nobody else runs, and one run is timed. */
  onlyMemory?: boolean;
}

/** An input in memory: the same arrays for all contenders of a case that this process runs. */
function inputsOf(shape: LinearShape) {
  const { rows, vocabSize, hiddenSize } = shape;
  return {
    hidden: lazily(() => hiddenStates(shape)),
    weight: lazily(() => weights(shape)),
    targets: lazily(() => targetsOf(rows, vocabSize)),
    gradHidden: lazily(() => touched(rows * hiddenSize)),
    gradWeight: lazily(() => touched(vocabSize * hiddenSize)),
  };
}

type Inputs = ReturnType<typeof inputsOf>;

/** The upper halves of the numbers. */
function bfloat16Of(values: Float32Array): Uint16Array {
  const words = new Uint16Array(values.buffer, values.byteOffset, 2 * values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = words[2 * i + 1] as number;
  return halves;
}

function ours(name: string, computes: string, inputs: Inputs, options: LinearBearLossOptions): SuiteContender {
  return {
    name,
    computes,
    open: () => {
      const [hidden, weight, targets] = [inputs.hidden(), inputs.weight(), inputs.targets()];
      const out = { gradHidden: inputs.gradHidden(), gradWeight: inputs.gradWeight() };
      return timed(() => fusedLinearBearLoss(hidden, weight, targets, { ...options, out }));
    },
  };
}

function oursOfBfloat16(name: string, inputs: Inputs, options: LinearBearLossOptions): SuiteContender {
  return {
    name,
    computes: 'BEAR of bfloat16',
    open: () => {
      const [hidden, weight, targets] = [bfloat16Of(inputs.hidden()), bfloat16Of(inputs.weight()), inputs.targets()];
      const out = { gradHidden: new Uint16Array(hidden.length).fill(1), gradWeight: inputs.gradWeight() };
      return timed(() => fusedLinearBearLoss(hidden, weight, targets, { ...options, dtype: 'bfloat16', out }));
    },
  };
}

function contendersOf({ threads, ...each }: LinearCase): SuiteContender[] {
  const { rows, vocabSize, hiddenSize } = each;
  const shape = { rows, vocabSize, hiddenSize };
  const inputs = inputsOf(shape);
  const torch = new TorchPeer(
    () => ({ blocks: blockFile(), ...shape, scale: weightScale(shape), targets: [...inputs.targets()] }),
    threads,
  );
  const bear = ours(names.bear, 'BEAR', inputs, { hiddenSize, threads });
  const ofBfloat16 = oursOfBfloat16(names.bfloat16, inputs, { hiddenSize, threads });
  if (each.onlyMemory) return [bear, ofBfloat16].map((contender) => ({ ...contender, mostRounds: 1 }));
  const crossEntropy = ours(names.crossEntropy, 'cross-entropy', inputs, { hiddenSize, threads, penalty: 'none' });
  const roomy = ours(names.roomy, 'BEAR', inputs, { hiddenSize, threads, workspaceBytes: 256 * MEBIBYTE });
  const roomyOfBfloat16 = oursOfBfloat16(names.roomyBfloat16, inputs, {
    ...{ hiddenSize, threads, workspaceBytes: 256 * MEBIBYTE },
  });
  const products: SuiteContender = {
    name: names.products,
    peer: 'onnxruntime',
    memory: false,
    open: async () => {
      const factors = { hidden: inputs.hidden(), weight: inputs.weight(), logits: touched(rows * vocabSize) };
      const outputs = { gradHidden: inputs.gradHidden(), gradWeight: inputs.gradWeight() };
      const { run, close } = await openProducts(shape, { ...factors, ...outputs }, threads);
      return {
        run: async () => {
          const start = performance.now();
          await run();
          return { milliseconds: performance.now() - start };
        },
        close,
      };
    },
  };
  const ofTorch: SuiteContender[] = [
    { name: names.torchProducts, peer: 'PyTorch', memory: false, open: () => torch.open('products') },
    { name: names.authors, peer: 'PyTorch', computes: 'BEAR', open: () => torch.open('authors') },
    {
      name: names.torchCrossEntropy,
      peer: 'PyTorch',
      computes: 'cross-entropy',
      open: () => torch.open('cross-entropy'),
    },
    {
      name: names.torchChunked,
      peer: 'PyTorch',
      computes: 'cross-entropy',
      mostRounds: 2,
      open: () => torch.open('chunked cross-entropy'),
    },
  ];
  const ofJavaScript: SuiteContender[] = [
    {
      name: names.tfjs,
      peer: 'tfjs',
      computes: 'cross-entropy',
      mostRounds: 2,
      open: async () => {
        await registerTrainingKernels();
        return openTfjsLayer('wasm', shape, { hidden: inputs.hidden(), weight: inputs.weight() }, (tf, x, w) =>
          tfjsCrossEntropy(tf, tf.matMul(x, w, false, true), inputs.targets()),
        );
      },
    },
    {
      name: names.jax,
      peer: 'jax-js',
      computes: 'cross-entropy',
      mostRounds: 2,
      open: () =>
        openJaxCrossEntropy(shape, { hidden: inputs.hidden(), weight: inputs.weight(), targets: inputs.targets() }),
    },
  ];
  return [
    bear,
    crossEntropy,
    ofBfloat16,
    ...(each.roomy ? [roomy, roomyOfBfloat16] : []),
    products,
    ...(each.allPeers ? ofTorch : []),
    ...(each.javascriptPeers ? ofJavaScript : []),
  ];
}

function caseOf(each: LinearCase): SuiteCase {
  const { rows, vocabSize, hiddenSize, threads, series, memory } = each;
  return {
    name: `${rows} x ${vocabSize} x ${hiddenSize}, ${threadsName(threads)}${series ? `, by ${series.name}` : ''}`,
    parameters: { N: rows, V: vocabSize, H: hiddenSize, threads },
    reference: names.products,
    ...(series ? { series } : {}),
    ...(memory ? { memory } : {}),
    contenders: () => contendersOf(each),
  };
}

const middle = { rows: 512, vocabSize: 32000, hiddenSize: 256 };

function series(threads: number, rows: number[], vocabularies: number[], sizes: number[], base = middle): LinearCase[] {
  return [
    ...rows.map((n) => ({ ...base, rows: n, threads, series: { name: 'N', x: n } })),
    ...vocabularies.map((v) => ({ ...base, vocabSize: v, threads, series: { name: 'V', x: v } })),
    ...sizes.map((h) => ({ ...base, hiddenSize: h, threads, series: { name: 'H', x: h } })),
    ...[1, 2, 4, 8, 16, 32]
      .filter((count) => count <= os.availableParallelism())
      .map((count) => ({ ...base, threads: count, series: { name: 'threads', x: count } })),
  ];
}

function fullCases(threads: readonly number[]): LinearCase[] {
  const most = Math.max(...threads);
  return [
    ...threads.map((count) => ({
      ...middle,
      threads: count,
      allPeers: true,
      memory: count === most,
      javascriptPeers: count === 1,
    })),
    ...threads.map((count) => ({
      ...{ rows: 256, vocabSize: 128256, hiddenSize: 512, threads: count },
      ...{ allPeers: true, roomy: true, memory: count === most },
    })),
    { rows: 2048, vocabSize: 128256, hiddenSize: 1024, threads: most, memory: true, onlyMemory: true },
    ...series(most, [64, 256, 1024], [8000, 32000, 128256], [64, 256, 1024]),
  ];
}

const quickBase = { rows: 16, vocabSize: 2000, hiddenSize: 16 };

function quickCases(threads: readonly number[]): LinearCase[] {
  const most = Math.max(...threads);
  return [
    { ...quickBase, threads: most, allPeers: true, roomy: true, memory: true, javascriptPeers: true },
    ...series(most, [8, 16], [1000, 2000], [8, 16], quickBase),
  ];
}

export const linear: Suite = {
  name: 'linear',
  description: 'fusedLinearBearLoss: loss and gradients of hidden states and weights',
  legend:
    'N x V x H, float32 if no other, loss and the gradients of hidden and weight. The three products are those that no linear form can do ' +
    'without, each into memory that is there; they compute no loss. PyTorch computes them by the BLAS that is named above.',
  listCases: ({ size, threads }) => (size === 'quick' ? quickCases(threads) : fullCases(threads)).map(caseOf),
  targets: [
    {
      name: 'linear form / three products of onnxruntime',
      bars: { any: { must: 1.5, aim: 1.15 } },
      value: (each) => (each.series ? undefined : ratioOf(each, names.bear, names.products)),
    },
    {
      name: 'the same, workspace 256 MiB',
      bars: { any: { must: 1.5, aim: 1.15 } },
      value: (each) => ratioOf(each, names.roomy, names.products),
    },
    {
      // More than our products take beside the same three, as the form has the loss too.
      name: 'linear form / three products of PyTorch, an upper bound of ours / BLAS',
      bars: { any: { must: 1.4, aim: 1.15 } },
      value: (each) => ratioOf(each, names.bear, names.torchProducts),
    },
    {
      name: "linear form / the authors' formula in PyTorch",
      bars: { zen4: { must: 1, aim: 1 / 1.2 }, 'sapphire-rapids': { must: 1 / 1.4, aim: 1 / 1.8 } },
      value: (each) => ratioOf(each, names.bear, names.authors),
    },
    {
      name: 'BEAR / cross-entropy, linear form',
      bars: { any: { must: 1.05, aim: 1.02 } },
      value: (each) => (each.series ? undefined : ratioOf(each, names.bear, names.crossEntropy)),
    },
    {
      name: 'peak memory beyond inputs and gradients, MB',
      bars: { any: { must: 64, aim: 40 } },
      value: (each) => megabytesOf(each, names.bear),
    },
  ],
};
