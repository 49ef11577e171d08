import { isDeepStrictEqual } from 'node:util';
import type { Recommender } from '../model/model.js';
import type { Tensor } from '../model/tensor.js';
import { SEED, WHOLE } from '../ranges.js';
import { type RunState, runStateShape } from './run-state.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';
import { numberIn, objectOf, ShapeError } from './shape.js';
import type { Trainer } from './training.js';

/** What a file of tensors holds, checked as far as it can be without the model. */
export interface Checkpoint {
  file: string;
  state: RunState;
  tensors: Readonly<Record<string, Tensor>>;
  /** Updates of the optimiser so far; undefined in a file with parameters alone. */
  steps: number | undefined;
  /** Of the random numbers. */
  random: number | undefined;
}

/** Parameters, optimiser and random numbers in one file, with the state of the run. */
export function saveCheckpoint(file: string, model: Recommender, trainer: Trainer, state: RunState): void {
  const { optimizer, random } = trainer;
  const tensors: Record<string, Tensor> = {};
  for (const [name, { data, shape }] of Object.entries(model.parameters)) {
    const moments = optimizer.moments.get(name);
    tensors[`parameter/${name}`] = { data, shape };
    if (!moments) continue;
    tensors[`first moment/${name}`] = { data: moments.first, shape };
    tensors[`second moment/${name}`] = { data: moments.second, shape };
  }
  writeSafetensors(file, tensors, JSON.stringify({ steps: optimizer.steps, random: random.state, state }));
}

/** Only what a search needs. */
export function saveParameters(file: string, model: Recommender, state: RunState): void {
  const entries = Object.entries(model.parameters).map(([name, tensor]) => [`parameter/${name}`, tensor]);
  writeSafetensors(file, Object.fromEntries(entries), JSON.stringify({ state }));
}

const contentShape = objectOf<{ state: RunState }, { steps: number; random: number }>(
  { state: runStateShape },
  { steps: numberIn(WHOLE), random: numberIn(SEED) },
);

/** What every checkpoint of the model before the transformer has. */
const OF_EARLIER_MODEL = 'parameter/attentionItem';

/** Of a whole file; a damaged one is for `readCheckpoint` to report. */
export function isOfEarlierModel(file: string): boolean {
  try {
    return OF_EARLIER_MODEL in readSafetensors(file).tensors;
  } catch {
    return false;
  }
}

/** @throws Error that names the file, and the field where one is wrong */
export function readCheckpoint(file: string): Checkpoint {
  const { tensors, state: content } = readSafetensors(file);
  try {
    const { state, steps, random } = contentShape(JSON.parse(content), '');
    for (const [name, { data }] of Object.entries(tensors)) requireFinite(name, data);
    return { file, state, tensors, steps, random };
  } catch (cause) {
    throw new Error(`${file}: not the checkpoint of a run (${(cause as Error).message})`, { cause });
  }
}

/** The model gets the parameters, and `trainer`, if it is given, optimiser and random numbers. */
export function loadCheckpoint(checkpoint: Checkpoint, model: Recommender, trainer?: Trainer): void {
  const { steps = 0, random } = checkpoint;
  const parameters = Object.entries(model.parameters);
  const hasMoments = trainer !== undefined && steps > 0;
  const parts = ['parameter', ...(checkpoint.steps ? ['first moment', 'second moment'] : [])];
  const expected = new Set(parts.flatMap((part) => parameters.map(([name]) => `${part}/${name}`)));
  const stranger = Object.keys(checkpoint.tensors).find((name) => !expected.has(name));
  if (stranger !== undefined) throw new Error(`${checkpoint.file}: ${stranger} is not of this model`);
  if (trainer && (checkpoint.steps === undefined || random === undefined)) {
    throw new Error(`${checkpoint.file}: steps, random: they are missing, so training cannot go on`);
  }
  // All are checked before the first is used.
  const found = parameters.map(([name, { shape }]) => ({
    name,
    data: tensorOf(checkpoint, `parameter/${name}`, shape),
    ...(hasMoments && {
      moments: {
        first: tensorOf(checkpoint, `first moment/${name}`, shape),
        second: tensorOf(checkpoint, `second moment/${name}`, shape),
      },
    }),
  }));
  for (const { name, data, moments } of found) {
    model.parameters[name]?.data.set(data);
    if (moments) trainer?.optimizer.moments.set(name, moments);
  }
  if (trainer) {
    trainer.optimizer.steps = steps;
    trainer.random.state = random as number;
  }
}

function tensorOf({ file, tensors }: Checkpoint, name: string, shape: readonly number[]): Float32Array {
  const tensor = tensors[name];
  if (tensor && isDeepStrictEqual(tensor.shape, shape)) return tensor.data;
  const there = tensor ? `the shape [${tensor.shape.join(', ')}]` : 'no numbers';
  throw new Error(`${file}: ${name} has ${there}, this model has [${shape.join(', ')}]: it is another one's`);
}

function requireFinite(name: string, data: Float32Array): void {
  const place = data.findIndex((value) => !Number.isFinite(value));
  if (place >= 0) throw new ShapeError(`${name}: number ${place} is ${data[place]}`);
  if (!name.startsWith('second moment/')) return;
  const negative = data.findIndex((value) => value < 0);
  if (negative >= 0) throw new ShapeError(`${name}: number ${negative} is ${data[negative]}, a mean of squares`);
}
