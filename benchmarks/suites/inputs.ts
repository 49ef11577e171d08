// Inputs of any size from two blocks of normal numbers, which peers in other languages read from a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillNormal, seed, uniformGenerator } from '../random-logits';
import { lazily } from './suite';

/** Prime, so that rows of any length begin at different places of the block. */
const BLOCK_LENGTH = 1_048_583;

const block = (state: number) =>
  lazily(() => {
    const values = new Float32Array(BLOCK_LENGTH);
    fillNormal(values, 1, uniformGenerator(state));
    return values;
  });
const weightBlock = block(seed);
const hiddenBlock = block(seed + 1);

/** The block over and over. */
function repeat(values: Float32Array, count: number, scale = 1): Float32Array {
  const scaled = scale === 1 ? values : values.map((value) => value * scale);
  const repeated = new Float32Array(count);
  for (let begin = 0; begin < count; begin += scaled.length) {
    repeated.set(scaled.subarray(0, Math.min(scaled.length, count - begin)), begin);
  }
  return repeated;
}

/** Standard deviation of the logits. */
export const LOGIT_DEVIATION = 3;

export interface LinearShape {
  rows: number;
  vocabSize: number;
  hiddenSize: number;
}

export function weightScale({ hiddenSize }: LinearShape): number {
  return LOGIT_DEVIATION / Math.sqrt(hiddenSize);
}

export function hiddenStates({ rows, hiddenSize }: LinearShape): Float32Array {
  return repeat(hiddenBlock(), rows * hiddenSize);
}

export function weights(shape: LinearShape): Float32Array {
  return repeat(weightBlock(), shape.vocabSize * shape.hiddenSize, weightScale(shape));
}

export function logitsOf(rows: number, vocabSize: number): Float32Array {
  return repeat(weightBlock(), rows * vocabSize, LOGIT_DEVIATION);
}

export function targetsOf(rows: number, vocabSize: number): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => (row * 977) % vocabSize);
}

/** In memory already: an untouched page is none. */
export function touched(count: number): Float32Array {
  return new Float32Array(count).fill(1);
}

/** The block of the weights, then that of the hidden states, float32. Gone when the process ends. */
export const blockFile = lazily(() => {
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'blocks.f32');
  writeFileSync(file, Buffer.concat([weightBlock(), hiddenBlock()].map(({ buffer }) => Buffer.from(buffer))));
  return file;
});
