import type { numpy as np } from '@jax-js/jax';
import type { Random } from '../random/random.js';
import { toDevice } from './device.js';
import type { BlockParameters, EncoderParameters, NetworkParameters } from './network.js';
import { normals, type Tensor, zeros } from './tensor.js';

export interface ModelSize {
  dimension: number;
  /** Most recent items that the encoder reads. */
  historyPlaces: number;
}

/** P, the places of the network's arrays. The items are in the last ones; those that are left over stay empty. */
export function paddedPlaces(historyPlaces: number): number {
  return 4 * Math.ceil(historyPlaces / 4);
}

type Host<Parameters> = Record<keyof Parameters, Tensor>;

/** The parameters of the network on the host. */
export type NetworkTensors = {
  encoder: Host<EncoderParameters>;
  decoder: Host<BlockParameters>;
};

export function initialNetwork({ dimension, historyPlaces }: ModelSize, random: Random): NetworkTensors {
  return {
    encoder: { ...initialBlock(dimension, random), distance: zeros([historyPlaces, 1]) },
    decoder: initialBlock(dimension, random),
  };
}

function initialBlock(d: number, random: Random): Host<BlockParameters> {
  const wide = 2 * d;
  const weights = (rows: number, columns: number) => normals([rows, columns], 1 / Math.sqrt(rows), random);
  return {
    query: weights(d, d),
    key: weights(d, d),
    value: weights(d, d),
    attended: weights(d, d),
    widen: weights(d, wide),
    widenBias: zeros([wide]),
    narrow: weights(wide, d),
  };
}

/** Numbers in the network. */
export function networkSize({ dimension: d, historyPlaces }: ModelSize): number {
  return 2 * (4 * d * d + 4 * d * d + 2 * d) + historyPlaces;
}

/** By name: `encoder.query` and so on. */
export function namedTensors(tensors: NetworkTensors): Record<string, Tensor> {
  return byName(tensors);
}

export function byName<Value>(blocks: Record<string, Record<string, Value>>): Record<string, Value> {
  const entries = Object.entries(blocks).flatMap(([block, values]) =>
    Object.entries(values).map(([name, value]) => [`${block}.${name}`, value] as const),
  );
  return Object.fromEntries(entries);
}

// Copies on the device, only of what the called function consumes: jax-js frees nothing by itself.

export function networkOnDevice({ encoder, decoder }: NetworkTensors): NetworkParameters {
  return { encoder: copy(encoder), decoder: copy(decoder) };
}

export function copy<Name extends string>(tensors: Record<Name, Tensor>): Record<Name, np.Array> {
  const entries = Object.entries<Tensor>(tensors).map(([name, tensor]) => [name, toDevice(tensor)]);
  return Object.fromEntries(entries) as Record<Name, np.Array>;
}
