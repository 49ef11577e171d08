import type { Recommender } from '../model/model.js';
import type { Tensor } from '../model/tensor.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';
import type { Trainer } from './training.js';

/** Parameters, optimiser and random numbers in one file, with a state in JSON. */
export function saveCheckpoint(file: string, model: Recommender, trainer: Trainer, state: unknown): void {
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
export function saveParameters(file: string, model: Recommender, state: unknown): void {
  const entries = Object.entries(model.parameters).map(([name, tensor]) => [`parameter/${name}`, tensor]);
  writeSafetensors(file, Object.fromEntries(entries), JSON.stringify({ state }));
}

export function readCheckpointState(file: string): unknown {
  return JSON.parse(readSafetensors(file).state).state;
}

/** Reads what one of the functions above wrote; `trainer` gets optimiser and random numbers. Returns the state. */
export function loadCheckpoint(file: string, model: Recommender, trainer?: Trainer): void {
  const { tensors, state: text } = readSafetensors(file);
  const { steps, random } = JSON.parse(text);
  for (const [name, { data }] of Object.entries(model.parameters)) {
    data.set(tensorOf(file, tensors, `parameter/${name}`, data.length));
    if (!trainer || steps === 0) continue;
    const first = tensorOf(file, tensors, `first moment/${name}`, data.length);
    const second = tensorOf(file, tensors, `second moment/${name}`, data.length);
    trainer.optimizer.moments.set(name, { first, second });
  }
  if (trainer) {
    trainer.optimizer.steps = steps;
    trainer.random.state = random;
  }
}

function tensorOf(file: string, tensors: Record<string, Tensor>, name: string, length: number): Float32Array {
  const data = tensors[name]?.data;
  if (data?.length === length) return data;
  throw new Error(
    `${file}: ${name} has ${data?.length ?? 'no'} numbers, this model has ${length}: it is another one's`,
  );
}
