/**
 * Cases worked out by hand. The logits are logarithms of whole numbers, so every probability is a fraction, and the values
 * below are written as those fractions: nothing here was computed by the code under test.
 *
 * Tokens 0 to 3 have weights 1, 2, 3, 4, so p = (1/10, 2/10, 3/10, 4/10). With beam width 2 the threshold token is token 2.
 *   target 0: delta = log 3, pruned, rank 3        target 3: delta = log(3/4), kept, rank 0
 */
import type { ReferenceOptions } from '../reference/bear-loss-reference';

export interface ClosedForm {
  name: string;
  /** exp of the logits of each row. */
  weights: number[][];
  targets: number[];
  options: ReferenceOptions;
  loss: number | number[];
  gradient: number[];
}

const log = Math.log;
const WEIGHTS = [1, 2, 3, 4];
const pruned = { weights: [WEIGHTS], targets: [0] };
const kept = { weights: [WEIGHTS], targets: [3] };
/** p - onehot for target 0 and target 3. */
const PRUNED_DIRECTION = [-0.9, 0.2, 0.3, 0.4];
const KEPT_DIRECTION = [0.1, 0.2, 0.3, -0.6];
const times = (factor: number, direction: number[]) => direction.map((entry) => factor * entry);

export const CLOSED_FORMS: ClosedForm[] = [
  {
    name: 'plain cross-entropy of a fair coin is log 2',
    weights: [[1, 1]],
    targets: [1],
    options: { penalty: 'none' },
    loss: log(2),
    gradient: [0.5, -0.5],
  },
  {
    name: 'hinge adds lambda log 3 to a pruned row',
    ...pruned,
    options: { beamWidth: 2, penalty: 'hinge', lambda: 0.5 },
    loss: log(10) + 0.5 * log(3),
    gradient: times(1.5, PRUNED_DIRECTION),
  },
  {
    name: 'hinge leaves a kept row alone',
    ...kept,
    options: { beamWidth: 2, penalty: 'hinge', lambda: 0.5 },
    loss: log(10 / 4),
    gradient: KEPT_DIRECTION,
  },
  {
    name: 'hinge with a margin reaches a kept row',
    ...kept,
    options: { beamWidth: 2, penalty: 'hinge', lambda: 0.5, margin: 1 },
    loss: log(10 / 4) + 0.5 * (1 + log(3 / 4)),
    gradient: times(1.5, KEPT_DIRECTION),
  },
  {
    name: 'hinge that flows pushes the threshold token down instead of all the others',
    ...pruned,
    options: { beamWidth: 2, penalty: 'hinge', lambda: 0.5, thresholdGradient: 'flow' },
    loss: log(10) + 0.5 * log(3),
    gradient: [-0.9 - 0.5, 0.2, 0.3 + 0.5, 0.4],
  },
  {
    name: 'softplus of log 3 is log 4 with slope 3/4',
    ...pruned,
    options: { beamWidth: 2, penalty: 'softplus', lambda: 0.5 },
    loss: log(10) + 0.5 * log(4),
    gradient: times(1 + 0.5 * 0.75, PRUNED_DIRECTION),
  },
  {
    name: 'log-sigmoid of log 3 is log 3/4 with slope 1/4',
    ...pruned,
    options: { beamWidth: 2, penalty: 'log-sigmoid', lambda: 0.5 },
    loss: log(10) + 0.5 * log(3 / 4),
    gradient: times(1 + 0.5 * 0.25, PRUNED_DIRECTION),
  },
  {
    name: 'log-sigmoid with xi 1/2: sigma(2 log 3) is 9/10, the slope 1/10 over xi',
    ...pruned,
    options: { beamWidth: 2, penalty: 'log-sigmoid', lambda: 0.5, xi: 0.5 },
    loss: log(10) + 0.5 * log(9 / 10),
    gradient: times(1 + 0.5 * 0.2, PRUNED_DIRECTION),
  },
  {
    name: 'sigmoid of log 3 is 3/4 with slope 3/16',
    ...pruned,
    options: { beamWidth: 2, penalty: 'sigmoid', lambda: 0.5 },
    loss: log(10) + 0.5 * 0.75,
    gradient: times(1 + (0.5 * 3) / 16, PRUNED_DIRECTION),
  },
  {
    name: 'reweight of a pruned row multiplies by 1 + lambda / 4',
    ...pruned,
    options: { beamWidth: 2, penalty: 'reweight', lambda: 0.5 },
    loss: 1.125 * log(10),
    gradient: times(1.125, PRUNED_DIRECTION),
  },
  {
    name: 'reweight of a kept row multiplies by 1 + 4 lambda / 7',
    ...kept,
    options: { beamWidth: 2, penalty: 'reweight', lambda: 0.7 },
    loss: 1.4 * log(10 / 4),
    gradient: times(1.4, KEPT_DIRECTION),
  },
  {
    name: 'temperature 1/2 squares the weights: p = (1, 4, 9, 16) / 30',
    ...pruned,
    options: { beamWidth: 2, penalty: 'hinge', lambda: 0.5, temperature: 0.5 },
    loss: log(30) + 0.5 * log(9),
    gradient: times((2 * 1.5) / 30, [-29, 4, 9, 16]),
  },
  {
    name: 'label smoothing spreads a fifth over four tokens',
    ...kept,
    options: { penalty: 'none', labelSmoothing: 0.2 },
    loss: log(10) - 0.8 * log(4) - 0.05 * log(24),
    gradient: [0.05, 0.15, 0.25, 0.4 - 0.8 - 0.05],
  },
  {
    name: 'z-loss adds zeta lse^2',
    ...kept,
    options: { penalty: 'none', zLoss: 0.5 },
    loss: log(10 / 4) + 0.5 * log(10) ** 2,
    gradient: [0.1, 0.2, 0.3, 0.4].map((p, token) => p - (token === 3 ? 1 : 0) + log(10) * p),
  },
  {
    name: 'a constraint to tokens 0 and 2 leaves p = (1/4, 0, 3/4, 0)',
    ...pruned,
    options: { beamWidth: 1, lambda: 1, allowed: { offsets: [0, 2], tokens: [0, 2] } },
    loss: log(4) + log(3),
    gradient: [-1.5, 0, 1.5, 0],
  },
  {
    name: 'a beam wider than the constraint takes the least likely allowed token as threshold',
    weights: [WEIGHTS],
    targets: [2],
    options: { beamWidth: 3, penalty: 'sigmoid', lambda: 1, allowed: { bitmask: [0b0101] } },
    loss: log(4 / 3) + 1 / 4,
    gradient: times(1 + 3 / 16, [0.25, 0, -0.25, 0]),
  },
  {
    name: 'mean divides by the counted rows only',
    weights: [WEIGHTS, WEIGHTS, WEIGHTS],
    targets: [0, -100, 3],
    options: { beamWidth: 2, lambda: 0.5 },
    loss: (log(10) + 0.5 * log(3) + log(10 / 4)) / 2,
    gradient: [...times(0.75, PRUNED_DIRECTION), 0, 0, 0, 0, ...times(0.5, KEPT_DIRECTION)],
  },
  {
    name: 'none keeps rows apart and scales each by its own weights and upstream gradient',
    weights: [WEIGHTS, WEIGHTS],
    targets: [0, 3],
    options: {
      beamWidth: 2,
      penalty: 'softplus',
      lambda: 1,
      reduction: 'none',
      tokenWeights: [2, 3],
      penaltyWeights: [1, 0],
      gradOutput: [0.5, -1],
    },
    loss: [2 * (log(10) + log(4)), 3 * log(10 / 4)],
    gradient: [...times(1.75, PRUNED_DIRECTION), ...times(-3, KEPT_DIRECTION)],
  },
  {
    name: 'weighted-mean leaves forced rows out and divides by the summed weights',
    weights: [WEIGHTS, WEIGHTS, WEIGHTS],
    targets: [0, 3, 1],
    options: {
      beamWidth: 2,
      penalty: 'reweight',
      lambda: 0.7,
      reduction: 'weighted-mean',
      allowed: { bitmask: [0b1111, 0b1111, 0b0010] },
    },
    loss: (1.175 * log(10) + 1.4 * log(10 / 4)) / (1.175 + 1.4 + 1e-8),
    gradient: [
      ...times(1.175 / (2.575 + 1e-8), PRUNED_DIRECTION),
      ...times(1.4 / (2.575 + 1e-8), KEPT_DIRECTION),
      0,
      0,
      0,
      0,
    ],
  },
];
