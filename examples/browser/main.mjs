// Two models of the same shape see the same batches: one learns with cross-entropy, the other with BEAR.
import { capabilities } from 'fused-bear-loss';
import { Walks } from '../support/walks.ts';
import { LineChart } from './line-chart.mjs';
import { NextItemModel } from './next-item-model.mjs';

const ITEMS = 1000;
const ROWS = 128;
const STEPS = Number(new URLSearchParams(location.search).get('steps') ?? 400);
/** Steps to a point of the charts: single batches are noisy. */
const STRIDE = Math.max(1, STEPS / 50);
const LOSSES = {
  entropy: { penalty: 'none' },
  bear: { penalty: 'log-sigmoid', lambda: 4 },
};

const element = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const [button, status, progress] = ['train', 'status', 'progress'].map(element);
const lines = Object.keys(LOSSES);
const charts = {
  nll: new LineChart(element('nll'), {
    lines,
    steps: STEPS,
    most: 8,
    ticks: [0, 2, 4, 6, 8],
    format: (value) => value,
  }),
  pruned: new LineChart(element('pruned'), {
    lines,
    steps: STEPS,
    most: 1,
    ticks: [0, 0.25, 0.5, 0.75, 1],
    format: percent,
  }),
};

let running;

button.addEventListener('click', async () => {
  if (running) {
    running.abort();
    return;
  }
  running = new AbortController();
  button.textContent = 'Stop';
  try {
    await train(running.signal);
  } catch (error) {
    status.textContent = error.name === 'AbortError' ? 'Stopped' : error.message;
  } finally {
    running = undefined;
    button.textContent = 'Train again';
  }
});

async function train(signal) {
  for (const chart of Object.values(charts)) chart.clear();
  const beamWidth = Number(element('beam').value);
  const walks = new Walks(ITEMS, 1);
  const models = lines.map((name) => ({ name, model: new NextItemModel(ITEMS, ROWS), nll: 0, pruned: 0, counted: 0 }));
  const started = performance.now();
  progress.max = STEPS;
  for (let step = 1; step <= STEPS; step++) {
    const { history, targets } = walks.batch(ROWS, 1);
    for (const each of models) {
      const options = { ...LOSSES[each.name], beamWidth, signal };
      const { rows, prunedRate, countedRows } = await each.model.step(history, targets, options);
      each.nll += rows.nll.reduce((sum, nll) => sum + nll, 0);
      each.pruned += prunedRate * countedRows;
      each.counted += countedRows;
    }
    progress.value = step;
    status.textContent = `Step ${step} of ${STEPS}, ${((performance.now() - started) / step).toFixed(0)} ms each`;
    if (step % STRIDE < 1) for (const each of models) show(each, step);
  }
  status.textContent = `${STEPS} steps in ${((performance.now() - started) / 1000).toFixed(1)} s`;
}

/** The means since the last point. */
function show(each, step) {
  const { name, nll, pruned, counted } = each;
  charts.nll.add(name, step, nll / counted);
  charts.pruned.add(name, step, pruned / counted);
  element(`${name}-nll`).textContent = (nll / counted).toFixed(2);
  element(`${name}-pruned`).textContent = `${((100 * pruned) / counted).toFixed(1)} %`;
  Object.assign(each, { nll: 0, pruned: 0, counted: 0 });
}

try {
  const { version, instructionSet } = capabilities();
  element('version').textContent = `fused-bear-loss ${version}, ${instructionSet}`;
} catch (error) {
  status.textContent = error.message;
  button.disabled = true;
}
