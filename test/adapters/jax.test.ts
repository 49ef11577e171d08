import { bearLossStep, linearBearLossStep } from '../../lib/adapters/jax';
import { type BearLossOptions, fusedBearLoss } from '../../lib/index';
import { csrOf } from '../support/allowed-tokens';
import { SeededRandom } from '../support/random';
import { expectAllClose } from '../support/tolerance';

// Node 20 has no navigator, which jax-js asks for its threads.
if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 1 } });
const jax = require('@jax-js/jax') as typeof import('@jax-js/jax');
const { numpy: np } = jax;
type NpArray = import('@jax-js/jax').Array;

const [N, D, V] = [6, 4, 20];
const random = new SeededRandom(4);
const host = { inputs: random.normals(N * D), weights: random.normals(D * V), bias: random.normals(V) };
const targets = Int32Array.from([3, 19, 0, -100, 7, 12]);

type Parameters = { weights: NpArray; bias: NpArray };
const model = ({ weights, bias }: Parameters, inputs: NpArray) => np.matmul(inputs, weights).add(bias);
const parametersOf = (): Parameters => ({
  weights: np.array(host.weights).reshape([D, V]),
  bias: np.array(host.bias),
});
const inputsOf = () => np.array(host.inputs).reshape([N, D]);

/** The same by hand: logits, the kernel, and the gradients of a linear layer. */
function expected(options: BearLossOptions) {
  const logits = new Float32Array(N * V);
  for (let row = 0; row < N; row++)
    for (let token = 0; token < V; token++) {
      let sum = host.bias[token] as number;
      for (let d = 0; d < D; d++) sum += (host.inputs[row * D + d] as number) * (host.weights[d * V + token] as number);
      logits[row * V + token] = sum;
    }
  const { loss, gradLogits, prunedRate } = fusedBearLoss({ data: logits, shape: [N, V] }, targets, options);
  const g = gradLogits as Float32Array;
  const weights = Array.from({ length: D * V }, (_, at) => {
    const [d, token] = [Math.floor(at / V), at % V];
    return Array.from(
      { length: N },
      (__, row) => (host.inputs[row * D + d] as number) * (g[row * V + token] as number),
    ).reduce((a, b) => a + b, 0);
  });
  const bias = Array.from({ length: V }, (_, token) =>
    Array.from({ length: N }, (__, row) => g[row * V + token] as number).reduce((a, b) => a + b, 0),
  );
  return { loss, prunedRate, weights, bias };
}

describe('bearLossStep of jax-js', () => {
  beforeAll(async () => {
    await jax.init('wasm');
    jax.defaultDevice('wasm');
  });

  const allowed = csrOf(Array.from(targets, (target) => [...new Set([5, Math.max(0, target)])].sort((a, b) => a - b)));

  it.each([
    ['by default', {}],
    ['with other options', { penalty: 'softplus', beamWidth: 3, reduction: 'sum', lambda: 2 } as const],
    ['under a constraint', { allowed }],
  ])('gives the loss and the gradients by hand, %s', async (_, options) => {
    const step = bearLossStep(jax, model, options as never);
    const [parameters, inputs] = [parametersOf(), inputsOf()];
    const result = await step(parameters, inputs, targets);
    const byHand = expected(options as BearLossOptions);
    expectAllClose([result.loss as number], [byHand.loss as number], 1e-5, 'loss');
    expect(result.prunedRate).toBe(byHand.prunedRate);
    expectAllClose((await result.gradients.weights.data()) as Float32Array, byHand.weights, 1e-5, 'weights');
    expectAllClose((await result.gradients.bias.data()) as Float32Array, byHand.bias, 1e-5, 'bias');
    step.dispose();
  });

  it('takes options of each batch, which replace those of the step', async () => {
    const step = bearLossStep(jax, model, { penalty: 'none' });
    const { loss } = await step(parametersOf(), inputsOf(), targets, { allowed });
    expectAllClose([loss as number], [expected({ penalty: 'none', allowed }).loss as number], 1e-5, 'loss');
  });

  it('consumes neither parameters nor batch', async () => {
    const step = bearLossStep(jax, model);
    const [parameters, inputs] = [parametersOf(), inputsOf()];
    const first = await step(parameters, inputs, targets);
    const second = await step(parameters, inputs, targets);
    expect(second.loss).toBe(first.loss);
    jax.tree.dispose(first.gradients);
    expect((await parameters.bias.data()).length).toBe(V);
    expect((await inputs.data()).length).toBe(N * D);
  });

  it('rejects what the loss refuses', async () => {
    const step = bearLossStep(jax, model);
    await expect(step(parametersOf(), inputsOf(), [1])).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BEAR_SHAPE', argument: 'targets' }),
    );
    await expect(bearLossStep(jax, model, { xi: 0 })(parametersOf(), inputsOf(), targets)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BEAR_OPTION_VALUE', argument: 'xi' }),
    );
  });
});

describe('linearBearLossStep of jax-js', () => {
  type Layers = { trunk: NpArray; weight: NpArray; bias: NpArray };
  const trunk = random.normals(D * D);
  const layersOf = (): Layers => ({
    trunk: np.array(trunk).reshape([D, D]),
    weight: np.array(host.weights).reshape([V, D]),
    bias: np.array(host.bias),
  });
  const factorsOf = ({ trunk: first, weight, bias }: Layers, inputs: NpArray) => ({
    hidden: np.tanh(np.matmul(inputs, first)),
    weight,
    bias,
  });
  const logitsOf = (layers: Layers, inputs: NpArray) => {
    const { hidden, weight, bias } = factorsOf(layers, inputs);
    return np.matmul(hidden, weight.transpose()).add(bias);
  };
  const read = async (array: NpArray) => (await array.data()) as Float32Array;
  const allowed = csrOf(Array.from(targets, (target) => [...new Set([5, Math.max(0, target)])].sort((a, b) => a - b)));

  beforeAll(async () => {
    await jax.init('wasm');
    jax.defaultDevice('wasm');
  });

  it.each([
    ['by default', {}],
    ['with other options', { penalty: 'softplus', beamWidth: 3, reduction: 'sum', lambda: 2 } as const],
    ['under a constraint', { allowed }],
  ])('gives the loss and the gradients of the unfused step, %s', async (_, options) => {
    const fused = linearBearLossStep(jax, factorsOf, options as never);
    const unfused = bearLossStep(jax, logitsOf, options as never);
    const [ours, theirs] = [
      await fused(layersOf(), inputsOf(), targets),
      await unfused(layersOf(), inputsOf(), targets),
    ];
    expectAllClose([ours.loss as number], [theirs.loss as number], 1e-5, 'loss');
    expect(ours.prunedRate).toBe(theirs.prunedRate);
    for (const name of ['trunk', 'weight', 'bias'] as const) {
      expect(ours.gradients[name].shape).toEqual(theirs.gradients[name].shape);
      expectAllClose(await read(ours.gradients[name]), await read(theirs.gradients[name]), 1e-5, name);
    }
    fused.dispose();
    unfused.dispose();
  });

  it('needs no bias, and consumes nothing', async () => {
    const step = linearBearLossStep(jax, ({ trunk: weight }: { trunk: NpArray }, hidden: NpArray) => ({
      hidden,
      weight,
    }));
    const [parameters, inputs] = [{ trunk: np.array(host.weights).reshape([V, D]) }, inputsOf()];
    const first = await step(parameters, inputs, targets);
    const second = await step(parameters, inputs, targets, { penalty: 'none' });
    expect(second.loss).not.toBe(first.loss);
    expect((await step(parameters, inputs, targets)).loss).toBe(first.loss);
    expect((await inputs.data()).length).toBe(N * D);
  });

  it('rejects what the loss refuses', async () => {
    const step = linearBearLossStep(jax, factorsOf);
    await expect(step(layersOf(), inputsOf(), [1])).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BEAR_SHAPE', argument: 'targets' }),
    );
  });
});
