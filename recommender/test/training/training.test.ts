import { lossOptions } from '../../src/training/losses';
import { DEFAULT_RUN_OPTIONS } from '../../src/training/run-options';
import { Trainer } from '../../src/training/training';
import type { TrainingOptions } from '../../src/training/training-options';
import type { Workbench } from '../../src/training/workbench';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from '../support/recommender';

const { rows } = TINY_DATASET;
const options: TrainingOptions = {
  loss: {},
  isMasked: true,
  epochs: 6,
  batchSize: 32,
  learningRate: 0.03,
  weightDecay: 0.01,
  dropout: 0,
  seed: 1,
};
let workbench: Workbench;

beforeAll(async () => {
  workbench = await openTinyWorkbench();
});

describe('Trainer', () => {
  it.each([
    { loss: 'sft' as const },
    { loss: 'msl' as const },
    { loss: 'bear' as const, penalty: 'hinge' as const },
    { loss: 'bear' as const, penalty: 'reweight' as const },
  ])('$loss $penalty: the loss falls', async (settings) => {
    // A beam of 2: among 30 items a wider one would prune nothing.
    const loss = lossOptions({ ...DEFAULT_RUN_OPTIONS, ...settings, lossBeamWidth: 2 });
    const trainer = new Trainer(tinyModel(workbench, 8), rows, { ...options, loss, isMasked: settings.loss !== 'sft' });
    const losses: number[] = [];
    for (let epoch = 0; epoch < options.epochs; epoch++) losses.push((await trainer.trainEpoch(epoch)).loss);
    expect(losses.at(-1)).toBeLessThan(0.85 * (losses[0] as number));
  });

  it('gives the same numbers again for the same seed', async () => {
    const short = { ...options, epochs: 1, dropout: 0.2 };
    const [first, second] = [tinyModel(workbench, 4), tinyModel(workbench, 4)];
    const [one, two] = [
      await new Trainer(first, rows, short).trainEpoch(0),
      await new Trainer(second, rows, short).trainEpoch(0),
    ];
    expect([one.loss, one.prunedRate]).toEqual([two.loss, two.prunedRate]);
    expect(first.parameters).toEqual(second.parameters);
  });

  it('gives the event loop its turn between steps, so that signals and timers come through', async () => {
    let turns = 0;
    let steps = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const onStep = () => void steps++;
    await new Trainer(tinyModel(workbench, 4), rows, { ...options, onStep }).trainEpoch(0);
    clearImmediate(next);
    expect(steps).toBeGreaterThan(1);
    expect(turns).toBeGreaterThanOrEqual(steps);
  });

  it('ends with an error when it diverges', async () => {
    const trainer = new Trainer(tinyModel(workbench, 4), rows, { ...options, learningRate: 1e30 });
    await expect(trainer.trainEpoch(0)).rejects.toThrow(
      /^training has diverged in epoch 1 \(.+\); try a smaller --learning-rate/,
    );
  });

  it('tells how far it is', async () => {
    const seen: number[] = [];
    const onStep = ({ done, total }: { done: number; total: number }) => seen.push(done / total);
    const trainer = new Trainer(tinyModel(workbench, 4), rows, { ...options, epochs: 2, onStep });
    for (const epoch of [0, 1]) await trainer.trainEpoch(epoch);
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});
