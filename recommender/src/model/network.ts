import { jit, nn, numpy as np, vjp } from '@jax-js/jax';

// The dense part of the model in jax-js: pure functions of their arguments. jax-js counts references: passing an array to a
// function gives it away, `.ref` keeps it. Its compiler computes what an element-wise function feeds to a matrix product anew
// for every column, so activations must be cheap: rectifiers, no tanh.
// Sizes: n windows, P places of the history, M decisions of a window, d dimensions, F = 2d. Rows of matrices are window by
// window. Attention is fast where P and M are multiples of the four numbers of a vector instruction.

/** Of one block of a transformer: attention, then a feed-forward network. */
export type BlockParameters = {
  /** `[d, d]` each. */
  query: np.Array;
  key: np.Array;
  value: np.Array;
  attended: np.Array;
  /** `[d, F]`, `[F]`, `[F, d]` */
  widen: np.Array;
  widenBias: np.Array;
  narrow: np.Array;
};

export type EncoderParameters = BlockParameters & {
  /** `[H, 1]`: added to the attention scores, by how many places back an item is. P is H rounded up. */
  distance: np.Array;
};

export type DecoderParameters = BlockParameters;

export type NetworkParameters = { encoder: EncoderParameters; decoder: DecoderParameters };

/** Which place sees which: what is added to attention scores is 0 or `EXCLUDED`. */
export type Sight = {
  /** `[n, P, P]`: a place sees itself and items before it. */
  history: np.Array;
  /** `[P * P, H]`: one-hot, how many places back. */
  distances: np.Array;
};

export type DecoderSight = {
  /** `[n, M, P]`: a decision sees the items up to its place. */
  decisions: np.Array;
  /** `[n, M, P]`: one-hot, the place of each decision. */
  places: np.Array;
};

/** Factors of activations; dropout in training. */
export type EncoderDropout = {
  /** `[n * P, d]` each. */
  items: np.Array;
  attended: np.Array;
  narrowed: np.Array;
  contexts: np.Array;
};

export type DecoderDropout = {
  /** `[n * M, d]` each. */
  attended: np.Array;
  narrowed: np.Array;
};

/**
 * Vectors are short and scaled up on the way in, so that a step of Adam, which moves all numbers alike, turns a vector
 * further than a matrix.
 */
const INPUT_GAIN = 10;

/** A score so low that its softmax is 0. */
export const EXCLUDED = -1e9;

function dropped(rows: np.Array, factors: np.Array | undefined): np.Array {
  return factors ? rows.mul(factors) : rows;
}

/** Each row at a root mean square of 1. The scale is reshaped last, so that it is computed once for a row. */
function normalized(rows: np.Array): np.Array {
  const scales = np.reciprocal(np.sqrt(rows.ref.mul(rows.ref).mean(-1).add(1e-6)));
  return rows.mul(scales.reshape([...rows.shape.slice(0, -1), 1]));
}

/** `[n, R, d]` queries, `[n, P, d]` keys and values, `[n, R, P]` added to the scores; to `[n, R, d]`. */
function attend(queries: np.Array, keys: np.Array, values: np.Array, bias: np.Array): np.Array {
  const d = queries.shape[2] as number;
  const scores = np.matmul(queries, keys.transpose([0, 2, 1])).mul(1 / Math.sqrt(d));
  return np.matmul(nn.softmax(scores.add(bias), -1), values);
}

/** As a product: the compiler computes a maximum of sums number by number. */
function rectified(rows: np.Array): np.Array {
  return rows.ref.mul(rows.greater(0).astype(np.float32));
}

function feedForward(
  { widen, widenBias, narrow }: Pick<BlockParameters, 'widen' | 'widenBias' | 'narrow'>,
  rows: np.Array,
) {
  return np.matmul(rectified(np.matmul(rows, widen).add(widenBias)), narrow);
}

/** Item vectors `[n * P, d]` to what each place knows of the history up to it, `[n * P, d]`. */
function encodeHistory(
  parameters: EncoderParameters,
  items: np.Array,
  sight: Sight,
  dropout?: EncoderDropout,
): np.Array {
  const { query, key, value, attended, distance, ...network } = parameters;
  const [n, places] = sight.history.shape as [number, number];
  const d = items.shape[1] as number;
  const grid = (rows: np.Array) => rows.reshape([n, places, d]);
  let state = dropped(items.mul(INPUT_GAIN), dropout?.items);
  const input = normalized(state.ref);
  const bias = np.matmul(sight.distances, distance).reshape([1, places, places]).add(sight.history);
  const gathered = attend(
    grid(np.matmul(input.ref, query)),
    grid(np.matmul(input.ref, key)),
    grid(np.matmul(input, value)),
    bias,
  );
  state = state.add(dropped(np.matmul(gathered.reshape([n * places, d]), attended), dropout?.attended));
  state = state.ref.add(dropped(feedForward(network, normalized(state)), dropout?.narrowed));
  return dropped(normalized(state), dropout?.contexts);
}

/** What the decoder attends to: keys and values of the places, `[n, P, d]` each. They stay the same for all decisions. */
function remember({ key, value }: Pick<BlockParameters, 'key' | 'value'>, contexts: np.Array, n: number) {
  const d = contexts.shape[1] as number;
  const places = (contexts.shape[0] as number) / n;
  return {
    keys: np.matmul(contexts.ref, key).reshape([n, places, d]),
    values: np.matmul(contexts, value).reshape([n, places, d]),
  };
}

/** The contexts of the decisions' places and their prefixes, `[n, M, d]` each, to hidden vectors, `[n * M, d]`. */
function decodePrefixes(
  { query, attended, ...network }: Omit<BlockParameters, 'key' | 'value'>,
  contexts: np.Array,
  prefixes: np.Array,
  { keys, values }: { keys: np.Array; values: np.Array },
  sight: np.Array,
  dropout?: DecoderDropout,
): np.Array {
  const [n, decisions, d] = prefixes.shape as [number, number, number];
  const rows = n * decisions;
  let state = contexts.add(prefixes.mul(INPUT_GAIN)).reshape([rows, d]);
  const queries = np.matmul(normalized(state.ref), query).reshape([n, decisions, d]);
  const gathered = attend(queries, keys, values, sight).reshape([rows, d]);
  state = state.add(dropped(np.matmul(gathered, attended), dropout?.attended));
  state = state.ref.add(dropped(feedForward(network, normalized(state)), dropout?.narrowed));
  return normalized(state);
}

export type NetworkInputs = {
  /** `[n * P, d]`: item vectors. */
  items: np.Array;
  /** `[n, M, d]`: what has been written at each decision. */
  prefixes: np.Array;
};

export type Masks = {
  sight: Sight;
  decoderSight: DecoderSight;
  encoderDropout: EncoderDropout;
  decoderDropout: DecoderDropout;
};

/** Hidden vectors `[n * M, d]`. */
function hiddenVectors({ encoder, decoder }: NetworkParameters, inputs: NetworkInputs, masks: Masks): np.Array {
  const { items, prefixes } = inputs;
  const { sight, decoderSight, encoderDropout, decoderDropout } = masks;
  const [n, , d] = prefixes.shape as [number, number, number];
  const places = decoderSight.places.shape[2] as number;
  const contexts = encodeHistory(encoder, items, sight, encoderDropout);
  const atPlaces = np.matmul(decoderSight.places, contexts.ref.reshape([n, places, d]));
  const { key, value, ...rest } = decoder;
  const memory = remember({ key, value }, contexts, n);
  return decodePrefixes(rest, atPlaces, prefixes, memory, decoderSight.decisions, decoderDropout);
}

export const forward = jit(hiddenVectors);

/** The second phase: from dL/dhidden, `[n * M, d]`, to the gradients of the parameters and of the inputs. */
export const backward = jit(
  (parameters: NetworkParameters, inputs: NetworkInputs, masks: Masks, gradHidden: np.Array) => {
    const [hidden, pullBack] = vjp(
      (...given: [NetworkParameters, NetworkInputs]) => hiddenVectors(...given, masks),
      [parameters, inputs],
    );
    hidden.dispose();
    const gradients = pullBack(gradHidden);
    pullBack.dispose();
    return gradients;
  },
);

/** For the search: all that stays the same while a user's item is written. */
export const encode = jit(
  (encoder: EncoderParameters, decoder: Pick<BlockParameters, 'key' | 'value'>, items: np.Array, sight: Sight) => {
    const [n, places] = sight.history.shape as [number, number];
    const d = items.shape[1] as number;
    const contexts = encodeHistory(encoder, items, sight);
    const last = contexts.ref.reshape([n, places, d]).slice([], [places - 1, places]);
    return { last, ...remember(decoder, contexts, n) };
  },
);

/** For the search: decisions of the last place, `[n, M, d]` prefixes, to hidden vectors `[n * M, d]`. */
export const decode = jit(
  (
    decoder: Omit<BlockParameters, 'key' | 'value'>,
    { last, keys, values }: { last: np.Array; keys: np.Array; values: np.Array },
    prefixes: np.Array,
    sight: np.Array,
  ) => decodePrefixes(decoder, last, prefixes, { keys, values }, sight),
);
