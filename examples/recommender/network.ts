import { grad, jit, nn, numpy as np } from '@jax-js/jax';

// The dense part of the model in jax-js: pure functions of their arguments. jax-js counts references: passing an array to a
// function gives it away, `.ref` keeps it.

export type NetworkParameters = {
  encoderInput: np.Array;
  encoderHidden: np.Array;
  encoderBias: np.Array;
  contextWeights: np.Array;
  contextBias: np.Array;
  decoderInput: np.Array;
  decoderHidden: np.Array;
  decoderBias: np.Array;
  outputBias: np.Array;
};

export const ENCODER_NAMES = [
  'encoderInput',
  'encoderHidden',
  'encoderBias',
  'contextWeights',
  'contextBias',
] as const satisfies (keyof NetworkParameters)[];
export const DECODER_NAMES = [
  'decoderInput',
  'decoderHidden',
  'decoderBias',
] as const satisfies (keyof NetworkParameters)[];
export const ALL_NAMES = [...ENCODER_NAMES, ...DECODER_NAMES, 'outputBias'] as const;

export type EncoderParameters = Pick<NetworkParameters, (typeof ENCODER_NAMES)[number]>;
export type DecoderParameters = Pick<NetworkParameters, (typeof DECODER_NAMES)[number]>;

/** Sizes: n users, H history places, T decoding steps, d dimensions, V tokens with a logit. */
export type NetworkInputs = {
  /** `[H, n, d]`, oldest first. */
  history: np.Array;
  /** `[T, n, d]`: what the decoder reads before each step. */
  nodes: np.Array;
  /** `[V, d]`: the output matrix. */
  outputs: np.Array;
};

export type Masks = {
  /** `[H, n, 1]`: 1 where there is an item, 0 for padding. */
  history: np.Array;
  /** `[n, d]`: multiplies the context; dropout in training, ones otherwise. */
  context: np.Array;
};

/** Gated recurrent unit (Cho et al., 2014). `input` is `[n, 3d]`, already multiplied by its weights. */
function gatedUnit(input: np.Array, hidden: np.Array, weights: np.Array): np.Array {
  const d = hidden.shape[1] as number;
  const recurrent = np.matmul(hidden.ref, weights);
  const gates = nn.sigmoid(input.ref.slice([], [0, 2 * d]).add(recurrent.ref.slice([], [0, 2 * d])));
  const update = gates.ref.slice([], [0, d]);
  const reset = gates.slice([], [d, 2 * d]);
  const candidate = np.tanh(input.slice([], [2 * d, 3 * d]).add(reset.mul(recurrent.slice([], [2 * d, 3 * d]))));
  return hidden.ref.add(update.mul(candidate.sub(hidden)));
}

/** `[S, n, d]` times weights, for all S steps in one matrix product. */
function projectSteps(steps: np.Array, weights: np.Array, bias: np.Array): np.Array {
  const [count, n, d] = steps.shape as [number, number, number];
  return np
    .matmul(steps.reshape([count * n, d]), weights)
    .add(bias)
    .reshape([count, n, 3 * d]);
}

function encodeHistory(parameters: EncoderParameters, history: np.Array, mask: np.Array): np.Array {
  const [places, n, d] = history.shape as [number, number, number];
  const inputs = projectSteps(history, parameters.encoderInput, parameters.encoderBias);
  let hidden = np.zeros([n, d]);
  // jax-js 0.1 has no scan, so the loop is unrolled into the compiled program.
  for (let place = 0; place < places; place++) {
    const next = gatedUnit(inputs.ref.slice(place), hidden.ref, parameters.encoderHidden.ref);
    hidden = hidden.ref.add(mask.ref.slice(place).mul(next.sub(hidden)));
  }
  inputs.dispose();
  mask.dispose();
  parameters.encoderHidden.dispose();
  return np.tanh(np.matmul(hidden, parameters.contextWeights).add(parameters.contextBias));
}

function decoderStep(parameters: DecoderParameters, nodes: np.Array, hidden: np.Array): np.Array {
  const input = np.matmul(nodes, parameters.decoderInput).add(parameters.decoderBias);
  return gatedUnit(input, hidden, parameters.decoderHidden);
}

/** Logits `[T * n, V]`, step by step. */
function sequenceLogits(parameters: NetworkParameters, inputs: NetworkInputs, masks: Masks): np.Array {
  let hidden = encodeHistory(parameters, inputs.history, masks.history).mul(masks.context);
  const steps = inputs.nodes.shape[0] as number;
  const projected = projectSteps(inputs.nodes, parameters.decoderInput, parameters.decoderBias);
  const states: np.Array[] = [];
  for (let step = 0; step < steps; step++) {
    hidden = gatedUnit(projected.ref.slice(step), hidden, parameters.decoderHidden.ref);
    states.push(hidden.ref);
  }
  hidden.dispose();
  projected.dispose();
  parameters.decoderHidden.dispose();
  return np.matmul(np.concatenate(states, 0), inputs.outputs.transpose()).add(parameters.outputBias);
}

export const forward = jit(sequenceLogits);

/**
 * The second phase: jax-js has no custom gradients, but the gradient of sum(logits * G), with G a constant, is the one that
 * the loss with dL/dlogits = G has. Differentiates by the parameters and the inputs.
 */
export const backward = jit(
  grad(
    (parameters: NetworkParameters, inputs: NetworkInputs, masks: Masks, gradLogits: np.Array) =>
      sequenceLogits(parameters, inputs, masks).mul(gradLogits).sum(),
    { argnums: [0, 1] },
  ),
);

export const encode = jit(encodeHistory);
export const decode = jit(decoderStep);
