import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError } from 'commander';
import { capabilities } from 'fused-bear-loss';
import { baselineRanks, itemToItem, popularity } from './baselines.js';
import { buildCatalogue, type Catalogue } from './catalogue.js';
import { type Dataset, loadDataset, ROWS_FILE } from './data.js';
import { BEAM_WIDTH, evaluate } from './evaluate.js';
import { LOSSES, type NamedLoss } from './losses.js';
import { type ModelSize, Recommender, startDevice } from './model.js';
import { baselineResult, formatTable, modelResult, noiseStatement } from './report.js';
import { type Split, splitByUser } from './splits.js';
import { syntheticDataset } from './synthetic.js';
import { train } from './train.js';

interface Settings {
  data?: string;
  epochs: number;
  seeds: number;
  trainRows?: number;
  testRows?: number;
  threads?: number;
  smoke?: boolean;
}

const SPLIT_SEED = 1;
const FULL = {
  model: { dimension: 64, historyPlaces: 8 },
  synthetic: { items: 800, users: 1200, purchases: 13 },
};
/** Every part of the full run, in seconds. */
const SMOKE = {
  model: { dimension: 16, historyPlaces: 5 },
  synthetic: { items: 300, users: 120, purchases: 10 },
  settings: { epochs: 2, seeds: 1, trainRows: 512, testRows: 64 },
};

function parseSettings(): Settings {
  const count = (text: string) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a positive whole number.');
    return value;
  };
  const options = new Command('npm run demo --')
    .description('Trains a small generative recommender with masked SFT and with BEAR, and compares them.')
    .option('--data <folder>', `folder with id2name4Rec.json and ${ROWS_FILE}, as the BEAR authors publish them`)
    .option('--epochs <n>', 'epochs of each training', count, 7)
    .option('--seeds <n>', 'trainings of each loss, with seeds 1 to n', count, 1)
    .option('--train-rows <n>', 'most rows to train on (default: all)', count)
    .option('--test-rows <n>', 'most rows to test on (default: all)', count)
    .option('--threads <n>', 'threads of the loss', count)
    .option('--smoke', 'a tiny run on synthetic data that only shows that everything works')
    .parse()
    .opts<Settings>();
  return options.smoke ? { ...options, ...SMOKE.settings } : options;
}

function openData({ data, smoke }: Settings): Dataset {
  if (data !== undefined) return loadDataset(data);
  if (smoke) return syntheticDataset(SMOKE.synthetic, SPLIT_SEED);
  const repositoryRoot = join(__dirname, '..', '..');
  const shared = process.env.FUSED_BEAR_LOSS_SHARED ?? join(repositoryRoot, '..', 'shared');
  const office = join(shared, 'data', 'amazon-office');
  return existsSync(office) ? loadDataset(office) : syntheticDataset(FULL.synthetic, SPLIT_SEED);
}

async function trainAndTest(
  catalogue: Catalogue,
  size: ModelSize,
  split: Split,
  loss: NamedLoss,
  settings: Settings,
  seed: number,
) {
  const model = new Recommender(catalogue, size, seed);
  const title = `${loss.name}, seed ${seed}`;
  const bar = new SingleBar({
    format: `${title} [{bar}] {percentage} % | epoch {epoch} | loss {loss} | pruned {pruned} | {eta_formatted} left`,
    hideCursor: true,
  });
  bar.start(1, 0, { epoch: 1, loss: '-', pruned: '-' });
  const training = await train(model, split.train, {
    loss: { ...loss.options, threads: settings.threads },
    epochs: settings.epochs,
    batchSize: 128,
    learningRate: 8e-3,
    dropout: 0.2,
    seed,
    onStep: ({ done, total, epoch, loss: mean, prunedRate }) => {
      bar.setTotal(total);
      bar.update(done, { epoch: epoch + 1, loss: mean.toFixed(3), pruned: prunedRate.toFixed(3) });
    },
  });
  bar.stop();
  const seconds = (training.stepMilliseconds / 1000).toFixed(0);
  const losses = training.epochLosses.map((mean) => mean.toFixed(3)).join(' ');
  console.log(`${title}: trained in ${seconds} s; loss by epoch: ${losses}`);
  return { training, evaluation: await evaluate(model, split.test) };
}

function describe(dataset: Dataset, catalogue: Catalogue, split: Split): string {
  const shared = catalogue.itemsWithSharedTitle;
  return [
    `Data: ${dataset.description}`,
    `  ${dataset.titles.size} items${shared > 0 ? ` (${shared} share a title with another and count as it)` : ''}, ` +
      `${catalogue.vocabulary.size} tokens, ${catalogue.vocabulary.choices} of them where there is a choice`,
    `  split by user: ${split.train.length} training rows of ${split.trainUsers} users, ` +
      `${split.test.length} test rows of ${split.testUsers} other users`,
  ].join('\n');
}

async function main(): Promise<void> {
  const started = performance.now();
  const settings = parseSettings();
  const { model: size } = settings.smoke ? SMOKE : FULL;
  const dataset = openData(settings);
  const split = splitByUser(dataset.rows, SPLIT_SEED, settings);
  const catalogue = await buildCatalogue(dataset.titles);
  await startDevice();
  console.log(describe(dataset, catalogue, split));
  const { instructionSet, threads } = capabilities();
  console.log(`Loss: native, ${instructionSet}, ${settings.threads ?? threads} threads. Model: jax-js on WebAssembly.`);
  const results = [
    baselineResult('popularity', baselineRanks(popularity(split.train), split.test, catalogue.trie)),
    baselineResult('item-to-item counts', baselineRanks(itemToItem(split.train), split.test, catalogue.trie)),
  ];
  for (const loss of LOSSES) {
    const runs = [];
    for (let seed = 1; seed <= settings.seeds; seed++) {
      runs.push(await trainAndTest(catalogue, size, split, loss, settings, seed));
    }
    results.push(modelResult(loss.name, runs));
  }
  if (settings.smoke) console.log('\nA smoke run: it shows that everything works, its figures mean nothing.');
  const seeds = settings.seeds === 1 ? 'seed 1' : `seeds 1 to ${settings.seeds}`;
  console.log(`\n${split.test.length} test rows, ${seeds}, ${settings.epochs} epochs, beam width ${BEAM_WIDTH}.`);
  console.log(formatTable(results));
  console.log(
    'pruning rate: of the rows whose item is among the exact ten most probable, the share that beam search drops.\n' +
      'loss / step: time in fusedBearLoss as a share of the training steps.\n' +
      noiseStatement(results, split.test.length),
  );
  console.log(`Total: ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

main().catch((error: Error) => {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
});
