/**
 * Writes test/golden/own-cases.json: a few cases that mix options, with the float64 reference's loss and gradient.
 * Run with `npx tsx test/support/write-own-cases.ts` after adding a case; existing numbers must not move.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bearLossReference, type ReferenceOptions } from '../reference/bear-loss-reference';
import { SeededRandom } from './random';

export interface OwnCase {
  name: string;
  logits: number[][];
  targets: number[];
  options: ReferenceOptions;
  loss: number | number[];
  gradient: number[];
}

const MIXED: { name: string; rows: number; vocabSize: number; options: ReferenceOptions }[] = [
  {
    name: 'hinge with every extra',
    rows: 3,
    vocabSize: 7,
    options: { beamWidth: 2, margin: 0.5, temperature: 0.8, softcap: 5, labelSmoothing: 0.1, zLoss: 0.01 },
  },
  {
    name: 'softplus that flows, under a constraint, with weights',
    rows: 3,
    vocabSize: 6,
    options: {
      beamWidth: 2,
      penalty: 'softplus',
      thresholdGradient: 'flow',
      lambda: 2,
      xi: 0.5,
      tokenWeights: [1, 0.5, 2],
      penaltyWeights: [0.5, 1, 0],
      allowed: { offsets: [0, 4, 7, 13], tokens: [0, 1, 3, 5, 0, 2, 4, 0, 1, 2, 3, 4, 5] },
    },
  },
  {
    name: "the authors' form at their sample settings",
    rows: 3,
    vocabSize: 6,
    options: { beamWidth: 2, penalty: 'reweight', lambda: 0.25, xi: 2.75, reduction: 'weighted-mean', zLoss: 0.02 },
  },
  {
    name: 'log-sigmoid, each row by itself',
    rows: 3,
    vocabSize: 5,
    options: {
      beamWidth: 3,
      penalty: 'log-sigmoid',
      xi: 2,
      reduction: 'none',
      gradOutput: [1, -2, 0.25],
      labelSmoothing: 0.2,
    },
  },
  {
    name: 'sigmoid that flows, with a normalizer',
    rows: 2,
    vocabSize: 8,
    options: { beamWidth: 4, penalty: 'sigmoid', thresholdGradient: 'flow', lambda: 3, xi: 0.7, normalizer: 16 },
  },
  {
    name: 'a beam as wide as the vocabulary',
    rows: 2,
    vocabSize: 5,
    options: { beamWidth: 5, penalty: 'softplus', temperature: 2, reduction: 'sum' },
  },
];

function ownCases(): OwnCase[] {
  const random = new SeededRandom(20251123);
  return MIXED.map(({ name, rows, vocabSize, options }) => {
    // Eighths are exact in every dtype, and short in a file.
    const logits = Array.from({ length: rows }, () =>
      Array.from({ length: vocabSize }, () => Math.round(16 * random.normal()) / 8),
    );
    const targets = logits.map((_, row) => (row % 2 === 0 ? 0 : 4));
    const { loss, gradient } = bearLossReference(logits, targets, options);
    const plainLoss = typeof loss === 'number' ? loss : Array.from(loss);
    return { name, logits, targets, options, loss: plainLoss, gradient: Array.from(gradient) };
  });
}

if (require.main === module) {
  const path = join(__dirname, '../golden/own-cases.json');
  writeFileSync(
    path,
    `[\n${ownCases()
      .map((own) => JSON.stringify(own))
      .join(',\n')}\n]\n`,
  );
}
