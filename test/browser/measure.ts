// `npm run bench:browser`: what loss and gradient cost in a page of headless Chromium, on one thread. Prints Markdown.
import { cpus } from 'node:os';
import { join } from 'node:path';
import { makeApplication } from './application';
import { openBrowser, repositoryRoot, servePages, whyNoPages } from './support';

const [ROUNDS, PEER_ROUNDS] = [30, 7];

type Times = Record<'bear' | 'bearAsync' | 'crossEntropy' | 'tfjsCrossEntropy', number[]>;

/** 10th percentile. */
function percentile(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 10)] as number;
}

async function main(): Promise<void> {
  const missing = whyNoPages();
  if (missing !== undefined) throw new Error(missing);
  const application = await makeApplication();
  const tfjs = join(repositoryRoot, 'node_modules', '@tensorflow', 'tfjs-backend-wasm', 'dist');
  const pages = await servePages({ bundled: application.bundled, tfjs });
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`${pages.address}/bundled/index.html`);
    const times = await page.evaluate<Times>(
      `load.speed().then(({ measureTimes }) => measureTimes(${ROUNDS}, ${PEER_ROUNDS}))`,
    );
    const peer = percentile(times.tfjsCrossEntropy);
    const row = (what: string, milliseconds: number) =>
      console.log(`| ${what} | ${milliseconds.toFixed(1)} | ${(peer / milliseconds).toFixed(1)} |`);
    console.log(`256 x 32000, one thread, Chromium ${browser.version()}, ${cpus()[0]?.model}; 10th percentile\n`);
    console.log('| loss and gradient by the logits | ms | faster than the last |\n| --- | ---: | ---: |');
    row('`fusedBearLoss` into a given array', percentile(times.bear));
    row('`fusedBearLossAsync` into a given array', percentile(times.bearAsync));
    row('`fusedBearLoss` without penalty', percentile(times.crossEntropy));
    row('TensorFlow.js, wasm backend: cross-entropy of its own operations', peer);
  } finally {
    await browser.close();
    await pages.close();
    application.remove();
  }
}

main();
