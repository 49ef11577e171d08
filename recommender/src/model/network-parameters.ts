import type { numpy as np } from '@jax-js/jax';
import type { Random } from '../random/random.js';
import { toDevice } from './device.js';
import type { DecoderParameters, EncoderParameters, NetworkParameters } from './network.js';
import { normals, type Tensor, zeros } from './tensor.js';

export interface ModelSize {
  dimension: number;
  /** Most recent items that the encoder reads. */
  historyPlaces: number;
}

/** The parameters of the network on the host. */
export type NetworkTensors = Record<keyof NetworkParameters, Tensor>;

/** Means of many token vectors are short; without it the first epochs learn little. */
const INPUT_GAIN = 3;

export function initialNetwork({ dimension: d, historyPlaces }: ModelSize, random: Random): NetworkTensors {
  const weights = (rows: number, columns: number, gain = 1) => normals([rows, columns], gain / Math.sqrt(rows), random);
  return {
    attentionItem: weights(d, d, INPUT_GAIN),
    attentionLast: weights(d, d, INPUT_GAIN),
    attentionScore: weights(d, 1),
    attentionPlace: zeros([historyPlaces, 1, 1]),
    contextWeights: weights(3 * d, d, INPUT_GAIN),
    contextBias: zeros([d]),
    decoderContext: weights(d, d),
    decoderPrefix: weights(d, d, INPUT_GAIN),
    decoderBias: zeros([d]),
    hiddenWeights: weights(d, d),
    hiddenBias: zeros([d]),
  };
}

const ENCODER_NAMES = [
  'attentionItem',
  'attentionLast',
  'attentionScore',
  'attentionPlace',
  'contextWeights',
  'contextBias',
] as const satisfies (keyof EncoderParameters)[];
const DECODER_NAMES = [
  'decoderContext',
  'decoderPrefix',
  'decoderBias',
  'hiddenWeights',
  'hiddenBias',
] as const satisfies (keyof DecoderParameters)[];

// Copies on the device, only of what the called function consumes: jax-js frees nothing by itself.

export function networkOnDevice(tensors: NetworkTensors): NetworkParameters {
  return copy(tensors, [...ENCODER_NAMES, ...DECODER_NAMES]);
}

export function encoderOnDevice(tensors: NetworkTensors): EncoderParameters {
  return copy(tensors, ENCODER_NAMES);
}

export function decoderOnDevice(tensors: NetworkTensors): DecoderParameters {
  return copy(tensors, DECODER_NAMES);
}

function copy<Name extends keyof NetworkTensors>(
  tensors: NetworkTensors,
  names: readonly Name[],
): Record<Name, np.Array> {
  const entries = names.map((name) => [name, toDevice(tensors[name])]);
  return Object.fromEntries(entries) as Record<Name, np.Array>;
}
