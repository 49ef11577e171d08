import { grad, jit, nn, numpy as np } from '@jax-js/jax';

// The dense part of the model in jax-js: pure functions of their arguments. jax-js counts references: passing an array to a
// function gives it away, `.ref` keeps it. Its compiler computes what an element-wise function feeds to a matrix product anew
// for every column, so activations must be cheap: rectifiers, no tanh.
// Sizes: n users, H history places, T decisions, d dimensions.

export type EncoderParameters = {
  /** `[d, d]`, `[d, d]`, `[d, 1]`, `[H, 1, 1]`: how much attention each item gets, seen from the last one. */
  attentionItem: np.Array;
  attentionLast: np.Array;
  attentionScore: np.Array;
  attentionPlace: np.Array;
  /** `[3d, d]`, `[d]`: the last item, what attention gathers and the mean, to the context. */
  contextWeights: np.Array;
  contextBias: np.Array;
};

export type DecoderParameters = {
  /** `[d, d]`, `[d, d]`, `[d]`: context and prefix. */
  decoderContext: np.Array;
  decoderPrefix: np.Array;
  decoderBias: np.Array;
  /** `[d, d]`, `[d]` */
  hiddenWeights: np.Array;
  hiddenBias: np.Array;
};

export type NetworkParameters = EncoderParameters & DecoderParameters;

export type NetworkInputs = {
  /** `[H, n, d]`, oldest first, the last place always filled. */
  history: np.Array;
  /** `[T, n, d]`: the prefix at each decision. */
  prefixes: np.Array;
};

export type Masks = {
  /** `[H, n, 1]`: 1 where there is an item, 0 for padding. */
  history: np.Array;
  /** `[n, d]`: multiplies the context; dropout in training, ones otherwise. */
  context: np.Array;
  /** `[T * n, d]`: multiplies the hidden vectors. */
  hidden: np.Array;
};

/** A logit so low that its softmax is 0. */
const EXCLUDED = -1e9;

function encodeHistory(parameters: EncoderParameters, history: np.Array, mask: np.Array): np.Array {
  const [places, n, d] = history.shape as [number, number, number];
  const last = history.ref.slice(places - 1);
  const items = np.matmul(history.ref.reshape([places * n, d]), parameters.attentionItem).reshape([places, n, d]);
  const query = np.matmul(last.ref, parameters.attentionLast);
  const scores = np
    .matmul(nn.relu(items.add(query)).reshape([places * n, d]), parameters.attentionScore)
    .reshape([places, n, 1])
    .add(parameters.attentionPlace)
    .add(mask.ref.sub(1).mul(-EXCLUDED));
  const attention = nn.softmax(scores, 0);
  const gathered = attention.mul(history.ref).sum(0);
  const mean = history.mul(mask.ref).sum(0).div(mask.sum(0));
  const summary = np.concatenate([last, gathered, mean], 1);
  return nn.relu(np.matmul(summary, parameters.contextWeights).add(parameters.contextBias));
}

/** Context and prefix as `[rows, d]`, or any shapes that broadcast, to hidden vectors. */
function decodePrefixes(parameters: DecoderParameters, context: np.Array, prefixes: np.Array): np.Array {
  const mixed = projectRows(context, parameters.decoderContext)
    .add(projectRows(prefixes, parameters.decoderPrefix))
    .add(parameters.decoderBias);
  return projectRows(nn.relu(mixed), parameters.hiddenWeights).add(parameters.hiddenBias);
}

function projectRows(rows: np.Array, weights: np.Array): np.Array {
  const shape = rows.shape;
  const d = shape[shape.length - 1] as number;
  return np.matmul(rows.reshape([-1, d]), weights).reshape(shape);
}

/** Hidden vectors `[T * n, d]`, decision by decision. */
function hiddenVectors(parameters: NetworkParameters, inputs: NetworkInputs, masks: Masks): np.Array {
  const { attentionItem, attentionLast, attentionScore, attentionPlace, contextWeights, contextBias, ...decoder } =
    parameters;
  const encoder = { attentionItem, attentionLast, attentionScore, attentionPlace, contextWeights, contextBias };
  const [steps, n, d] = inputs.prefixes.shape as [number, number, number];
  const context = encodeHistory(encoder, inputs.history, masks.history).mul(masks.context);
  return decodePrefixes(decoder, context.reshape([1, n, d]), inputs.prefixes)
    .reshape([steps * n, d])
    .mul(masks.hidden);
}

export const forward = jit(hiddenVectors);

/**
 * The second phase: jax-js has no custom gradients, but the gradient of sum(hidden * G), with G a constant, is the one that
 * a loss with dL/dhidden = G has. Differentiates by the parameters and the inputs.
 */
export const backward = jit(
  grad(
    (parameters: NetworkParameters, inputs: NetworkInputs, masks: Masks, gradHidden: np.Array) =>
      hiddenVectors(parameters, inputs, masks).mul(gradHidden).sum(),
    { argnums: [0, 1] },
  ),
);

export const encode = jit(encodeHistory);
export const decode = jit(decodePrefixes);

/** `[N, d]` and `[V, d]` to `[N, V]`: the logits of all tokens. */
export const tokenLogits = jit((hidden: np.Array, tokens: np.Array) => np.matmul(hidden, tokens.transpose()));

/** The gradient of these logits, back to hidden vectors and tokens. */
export const tokenGradients = jit((hidden: np.Array, tokens: np.Array, gradLogits: np.Array) => ({
  hidden: np.matmul(gradLogits.ref, tokens),
  tokens: np.matmul(gradLogits.transpose(), hidden),
}));
