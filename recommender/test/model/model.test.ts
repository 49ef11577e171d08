import { cutWindows, userSequences } from '../../src/data/sequences';
import { type Batch, makeBatch } from '../../src/model/batches';
import { makeDropout, type Recommender, UNDECAYED } from '../../src/model/model';
import { Random } from '../../src/random/random';
import { lossInput, unmaskedLossInput } from '../../src/training/training-step';
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

/** Where the allowed tokens of a batch lie in `[N, V]`. */
function allowedPlaces({ allowed: { offsets, tokens } }: Batch, vocabSize: number): number[] {
  const rowOf = (entry: number) => offsets.findLastIndex((offset) => offset <= entry);
  return Array.from(tokens, (token, entry) => rowOf(entry) * vocabSize + token);
}

function dot(values: ArrayLike<number>, weights: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value, index) => sum + value * (weights[index] as number), 0);
}

describe('the gradient of the model', () => {
  const random = new Random(8);
  const size = { dimension: 3, historyPlaces: TINY_PLACES };
  const dropout = makeDropout({ size: 4, decisions: ROOM }, size, someFactors);

  it('is the slope of sum(logits * G) over the allowed tokens, by every kind of parameter', async () => {
    const model = trainedModel();
    const batch = makeBatch(model, windows, 4, ROOM);
    const weights = Float32Array.from(batch.allowed.tokens, () => random.normal());
    const surrogate = async () => {
      const { logits, shape } = await lossInput(model, batch, dropout);
      const places = allowedPlaces(batch, shape[1]);
      return dot(
        places.map((place) => logits[place] as number),
        weights,
      );
    };
    const gradients = await model.gradients(batch, dropout, await lossInput(model, batch, dropout), weights);
    await expectSlopes(model, gradients, surrogate);
  });

  it('is the slope over all tokens, too', async () => {
    const model = trainedModel();
    const batch = makeBatch(model, windows, 4, ROOM);
    const input = await unmaskedLossInput(model, batch, dropout);
    const weights = Float32Array.from(input.logits, () => random.normal());
    const ofAllowed = allowedPlaces(batch, input.shape[1]).map((place) => weights[place] as number);
    const surrogate = async () => dot((await unmaskedLossInput(model, batch, dropout)).logits, weights);
    const upstream = { ...input, logits: weights };
    const gradients = await model.unmaskedGradients(batch, dropout, upstream, Float32Array.from(ofAllowed));
    await expectSlopes(model, gradients, surrogate);
  });
});

it('names parameters of its own that do not decay', () => {
  const names = Object.keys(tinyModel(workbench, 3).parameters);
  for (const name of UNDECAYED) expect(names).toContain(name);
});

it('has the logits of the network alone where there is no evidence', async () => {
  const counting = tinyModel(workbench, 3);
  const alone = tinyModel(await openTinyWorkbench('none'), 3);
  const batch = makeBatch(alone, windows, 4, ROOM);
  const logitsOf = async (model: Recommender) => {
    const own = makeBatch(model, windows, 4, ROOM);
    const { logits, shape } = await lossInput(model, own);
    return allowedPlaces(batch, shape[1]).map((place) => logits[place]);
  };
  expect(await logitsOf(alone)).not.toEqual(await logitsOf(counting));
  counting.output.evidenceWeights.data.fill(0);
  expect(await logitsOf(alone)).toEqual(await logitsOf(counting));
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
