// What is measured: every combination of shape, dtype, thread count and pass.
import type { BenchDType } from './native';

export interface Shape {
  rows: number;
  vocabSize: number;
}

/** How far a call goes: the loss alone, or with the gradient in a second buffer or over the logits. */
export const passes = ['forward', 'out of place', 'in place'] as const;
export type Pass = (typeof passes)[number];

export interface Case {
  shape: Shape;
  dtype: BenchDType;
  threads: number;
  pass: Pass;
}

/** The losses compared. Plain cross-entropy is what SFT costs; with statistics it also finds threshold and pruned rate. */
export const losses = {
  BEAR: { penalty: 'hinge', thresholdGradient: 'detach', lambda: 0.25, beamWidth: 10, pruningStatistics: true },
  'cross-entropy': { penalty: 'none', thresholdGradient: 'detach', lambda: 0, beamWidth: 10, pruningStatistics: false },
  'cross-entropy + statistics': {
    penalty: 'none',
    thresholdGradient: 'detach',
    lambda: 0,
    beamWidth: 10,
    pruningStatistics: true,
  },
} as const;
export type LossName = keyof typeof losses;

/** Both are 32.8 MB in float32: many rows of a small vocabulary, few of a large one. */
export const fullShapes: Shape[] = [
  { rows: 256, vocabSize: 32000 },
  { rows: 64, vocabSize: 128256 },
];
export const quickShapes: Shape[] = [
  { rows: 8, vocabSize: 32000 },
  { rows: 2, vocabSize: 128256 },
];

/** On a GPU, in `npm run bench -- --device cuda`. */
export const deviceShapes: Shape[] = [
  { rows: 4096, vocabSize: 32000 },
  { rows: 4096, vocabSize: 128256 },
];
/** What `npm run check:device` adds: few rows, and rows that are not aligned. */
export const moreDeviceCases: { shape: Shape; dtype: BenchDType }[] = [
  { shape: { rows: 8192, vocabSize: 32000 }, dtype: 'bfloat16' },
  { shape: { rows: 512, vocabSize: 128256 }, dtype: 'bfloat16' },
  { shape: { rows: 16384, vocabSize: 4619 }, dtype: 'float32' },
];

export const dtypes: BenchDType[] = ['float32', 'bfloat16'];

export function bytesPerElement(dtype: BenchDType): number {
  return dtype === 'float32' ? 4 : 2;
}

export function shapeName({ rows, vocabSize }: Shape): string {
  return `${rows} x ${vocabSize}`;
}

export function threadsName(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

export function caseName({ shape, dtype, threads, pass }: Case): string {
  return `${shapeName(shape)}, ${dtype}, ${threadsName(threads)}, ${pass}`;
}

/** Bytes that any implementation must move: the logits once, and the gradient once where there is one. */
export function bytesMoved({ shape, dtype, pass }: Case): number {
  return shape.rows * shape.vocabSize * bytesPerElement(dtype) * (pass === 'forward' ? 1 : 2);
}

/** The cases of a run, those of one workspace (shape and dtype) beside each other. */
export function listCases(shapes: Shape[], threadCounts: number[], filter: RegExp): Case[] {
  return shapes
    .flatMap((shape) =>
      dtypes.flatMap((dtype) =>
        threadCounts.flatMap((threads) => passes.map((pass): Case => ({ shape, dtype, threads, pass }))),
      ),
    )
    .filter((each) => filter.test(caseName(each)));
}
