import { fusedLinearBearLoss } from 'fused-bear-loss';
import { cutWindows, userSequences } from '../../src/data/sequences';
import { makeBatch } from '../../src/model/batches';
import { makeDropout, type Recommender, UNDECAYED } from '../../src/model/model';
import { Random } from '../../src/random/random';
import type { Workbench } from '../../src/training/workbench';
import { openTinyWorkbench, TINY_DATASET, TINY_PLACES, tinyModel } from '../support/recommender';

const { rows } = TINY_DATASET;
/** Decisions of a window, at most. */
const ROOM = 16;
let workbench: Workbench;

beforeAll(async () => {
  workbench = await openTinyWorkbench();
});

/** Windows of one and of several rows. */
const windows = cutWindows(userSequences(rows), TINY_PLACES, () => 2).slice(0, 3);

/** Some factors 0, as in training. */
function someFactors(length: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => (index % 5 === 0 ? 0 : 1.25));
}

/** Parameters as large as after training: the first ones are so short that float32 noise would hide some slopes. */
function trainedModel(): Recommender {
  const model = tinyModel(workbench, 3);
  const random = new Random(7);
  for (const { data } of Object.values(model.parameters))
    data.set(Float32Array.from(data, () => 0.5 * random.normal()));
  return model;
}

describe('the gradient of the model', () => {
  const size = { dimension: 3, historyPlaces: TINY_PLACES };
  const dropout = makeDropout({ size: 4, decisions: ROOM }, size, someFactors);

  it.each([
    ['allowed', true],
    ['all', false],
  ])('is the slope of the cross-entropy over %s tokens, by every kind of parameter', async (_, isMasked) => {
    const model = trainedModel();
    const { output } = model;
    const batch = makeBatch(model, windows, 4, ROOM);
    const lossOf = async () => {
      const rows = await model.trainingRows(batch, dropout);
      const logits = output.logits(rows, isMasked);
      const options = { ...logits.options, penalty: 'none', reduction: 'sum' } as const;
      return { rows, logits, result: fusedLinearBearLoss(logits.hidden, logits.weight, batch.targets, options) };
    };
    const { rows, logits, result } = await lossOf();
    const gradients = await model.gradients(batch, rows, result.gradHidden, output.gradients(rows, logits, result));
    await expectSlopes(model, gradients, async () => (await lossOf()).result.loss);
  });
});

it('names parameters of its own that do not decay', () => {
  const names = Object.keys(tinyModel(workbench, 3).parameters);
  for (const name of UNDECAYED) expect(names).toContain(name);
});

it('has the logits of the network alone where there is no evidence', async () => {
  const counting = tinyModel(workbench, 3);
  const alone = tinyModel(await openTinyWorkbench('none'), 3);
  const lossesOf = async (model: Recommender) => {
    const batch = makeBatch(model, windows, 4, ROOM);
    const { hidden, weight, options } = model.output.logits(await model.hiddenRows(batch));
    return [...fusedLinearBearLoss(hidden, weight, batch.targets, { ...options, needs: [], rows: true }).rows.nll];
  };
  expect(await lossesOf(alone)).not.toEqual(await lossesOf(counting));
  counting.output.evidenceWeights.data.fill(0);
  expect(await lossesOf(alone)).toEqual(await lossesOf(counting));
  expect(Object.keys(alone.parameters)).not.toContain('evidenceWeights');
});

async function expectSlopes(
  model: Recommender,
  gradients: Record<string, Float32Array>,
  surrogate: () => Promise<number>,
): Promise<void> {
  for (const [name, { data }] of Object.entries(model.parameters)) {
    const gradient = gradients[name] as Float32Array;
    expect(gradient.length).toBe(data.length);
    // Along the gradient itself the slope is its norm: a wrong or missing entry would show.
    const norm = Math.sqrt(gradient.reduce((sum, slope) => sum + slope * slope, 0));
    expect(`${name} ${norm > 0}`).toBe(`${name} true`);
    const kept = data.slice();
    const moved = async (distance: number) => {
      data.forEach((_, index) => {
        data[index] = (kept[index] as number) + (distance * (gradient[index] as number)) / norm;
      });
      const value = await surrogate();
      data.set(kept);
      return value;
    };
    // Short, so that few rectifiers change sides.
    const distance = 3e-3;
    const slope = ((await moved(distance)) - (await moved(-distance))) / (2 * distance);
    // The weights of the encoder's attention have small slopes, beside the rounding errors of the sum.
    expect(`${name} ${Math.abs(slope - norm) < 5e-3 * norm + 5e-3}`).toBe(`${name} true`);
  }
}
