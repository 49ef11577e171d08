// Trains a tiny recommender in the folder of the first argument, going on with what is there. Tells of each epoch; the last
// line has the numbers of the whole run. After the epoch of the second argument, if there is one, it stands still for ever.
const { writeSync } = require('node:fs');
const { run } = require('../../dist/training/run.js');
const { DEFAULT_RUN_OPTIONS } = require('../../dist/training/run-options.js');
const { syntheticDataset } = require('../../dist/data/synthetic-data.js');
const { openWorkbench } = require('../../dist/training/workbench.js');

const options = {
  ...DEFAULT_RUN_OPTIONS,
  dimension: 32,
  historyPlaces: 4,
  batchSize: 32,
  beamWidth: 3,
  lossBeamWidth: 3,
  learningRate: 0.01,
  epochs: 8,
  patience: 8,
};

async function main() {
  const workbench = await openWorkbench(syntheticDataset({ items: 300, users: 20, purchases: 7 }, 5), options);
  const last = Number(process.argv[3] ?? Number.POSITIVE_INFINITY);
  const onEpoch = ({ epoch }) => {
    writeSync(1, `epoch ${epoch}\n`);
    // Signals end it here, too.
    if (epoch === last) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
  const { metrics, test } = await run(workbench, options, process.argv[2], { resume: true, onEpoch });
  const figures = metrics.map(({ epoch, loss, prunedRate, validationNdcg }) => [
    epoch,
    loss,
    prunedRate,
    validationNdcg,
  ]);
  console.log(JSON.stringify({ figures, ranks: test.beamRanks }));
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
