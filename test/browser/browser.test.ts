// The browser build in pages of headless Chromium: as it is, by an import map, and in an application that Vite bundled.
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import * as cuda from '../../lib/cuda/index';
import * as decoding from '../../lib/decoding/index';
import * as index from '../../lib/index';
import type { Counts } from '../runtimes/small-jest';
import { type Application, bundleByVite, makeApplication } from './application';
import { CONTRACT_FILES } from './bundle-contract';
import { openBrowser, type Pages, repositoryRoot, servePages, whyNoPages } from './support';

const missing = whyNoPages();
if (missing !== undefined) console.log(`The tests of the browser build are skipped: ${missing}.`);
const describePages = missing === undefined ? describe : describe.skip;

const { fusedBearLoss } = index;
const { TokenTrie } = decoding;

let application: Application;
let pages: Pages;
let browser: Browser;

/** A page that has loaded, and what went wrong in it. */
async function open(path: string): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${pages.address}/${path}`);
  return { page, errors };
}

/** What a function body of the page returns. */
function evaluate<Result>(page: Page, body: string): Promise<Result> {
  return page.evaluate(`(async () => { ${body} })()`);
}

describePages('the browser build', () => {
  beforeAll(async () => {
    application = await makeApplication();
    const example = join(application.plain, 'example');
    bundleByVite(join(repositoryRoot, 'examples', 'browser'), example);
    const { plain, bundled } = application;
    pages = await servePages({ plain, bundled, example, browser: join(repositoryRoot, 'dist', 'browser') });
    browser = await openBrowser();
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await pages?.close();
    application?.remove();
  });

  describe.each([
    { how: 'as it is, on a page without shared memory', path: 'plain/unbundled.html', isolated: false },
    { how: 'bundled by Vite, on an isolated page', path: 'bundled/index.html?isolated', isolated: true },
  ])('$how', ({ path, isolated }) => {
    let page: Page;
    let errors: string[];

    beforeAll(async () => {
      ({ page, errors } = await open(path));
    });

    it('loads without an error, and computes on the module', async () => {
      const found = await evaluate(
        page,
        `const { backend, threads, warnings } = (await load.package()).capabilities();
        return { backend, threads, warnings, isolated: crossOriginIsolated, shared: typeof SharedArrayBuffer !== 'undefined' };`,
      );
      expect(found).toEqual({ backend: 'wasm', threads: 1, warnings: [], isolated, shared: isolated });
      expect(errors).toEqual([]);
    });

    it('has the names that the entries have in Node', async () => {
      const entries = { package: index, decoding, cuda };
      for (const [name, entry] of Object.entries(entries)) {
        const names = await evaluate(page, `return Object.keys(await load.${name}()).sort();`);
        expect(names).toEqual(Object.keys(entry).sort());
      }
    });

    it('runs the quickstart', async () => {
      const printed = await evaluate<unknown[][]>(
        page,
        `const printed = [];
        console.log = (...values) => printed.push(values.map((each) => ArrayBuffer.isView(each) ? [...each] : each));
        await load.quickstart();
        return printed;`,
      );
      const logits = Float32Array.of(2.0, 0.5, -1.0, 0.1, 0.3, 1.2, 0.9, 0.2, -0.5, 0.4);
      const expected = fusedBearLoss({ data: logits, shape: [2, 5] }, [0, 2], { beamWidth: 2, lambda: 0.25 });
      expect(printed).toEqual([
        ['loss', expect.closeTo(expected.loss, 6), 'pruned', 0.5],
        ['pruning margin', [expect.any(Number), expect.any(Number)]],
        ['gradient by the logits', Array.from(expected.gradLogits, (entry) => expect.closeTo(entry, 6))],
      ]);
    });

    it.each(CONTRACT_FILES)('%s', async (file) => {
      const counts = await evaluate<Counts>(page, `return (await load.contract()).runContract('${file}');`);
      expect(counts.failures).toEqual([]);
      expect(counts.passed + counts.skipped.length).toBeGreaterThan(0);
    });
  });

  describe('a page', () => {
    it('that may not compile WebAssembly gets an error with a code of its own, at the first call', async () => {
      const { page, errors } = await open('bundled/index.html?csp');
      const found = await evaluate(
        page,
        `const { fusedBearLoss } = await load.package();
        try { fusedBearLoss(Float32Array.of(1, 2), [0]); } catch ({ code, message }) { return { code, message }; }`,
      );
      expect(found).toEqual({ code: 'ERR_BEAR_WASM_BLOCKED', message: expect.stringContaining("'wasm-unsafe-eval'") });
      expect(errors).toEqual([]);
    });

    it('gets the errors that Node gets, also for Proxies, which it cannot tell apart', async () => {
      const { page } = await open('plain/unbundled.html');
      const found = await evaluate(
        page,
        `const { fusedBearLoss } = await load.package();
        const { proxy, revoke } = Proxy.revocable([], {});
        revoke();
        const hostile = new Proxy([], { get() { throw new Error('not to be read'); } });
        return [proxy, hostile, [], 7].map((options) => {
          try { fusedBearLoss(Float32Array.of(1, 2), [0], options); } catch ({ code, name }) { return name + ' ' + code; }
        });`,
      );
      expect(found).toEqual(Array(4).fill('TypeError ERR_BEAR_ARGUMENT_TYPE'));
    });

    it('computes asynchronously: timers run meanwhile, and a signal ends it', async () => {
      const { page } = await open('plain/unbundled.html');
      const found = await evaluate<{ turns: number; same: boolean; reason: string }>(
        page,
        `const { fusedBearLoss, fusedBearLossAsync } = await load.package();
        const [rows, vocabSize] = [100, 32000];
        const logits = Float32Array.from({ length: rows * vocabSize }, (_, i) => ((i * 7919) % 1000) / 100);
        const targets = new Int32Array(rows);
        let turns = 0;
        let settled = false;
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => { if (!settled) { turns++; port2.postMessage(0); } };
        port2.postMessage(0);
        const result = await fusedBearLossAsync(logits, targets, { vocabSize });
        settled = true;
        const { loss, gradLogits } = fusedBearLoss(logits, targets, { vocabSize });
        const same = loss === result.loss && gradLogits.every((entry, i) => entry === result.gradLogits[i]);
        const controller = new AbortController();
        const pending = fusedBearLossAsync(logits, targets, { vocabSize, signal: controller.signal });
        setTimeout(() => controller.abort(new Error('enough')), 0);
        const reason = await pending.then(() => 'none', (error) => error.message);
        return { turns, same, reason };`,
      );
      expect(found).toEqual({ turns: expect.any(Number), same: true, reason: 'enough' });
      expect(found.turns).toBeGreaterThanOrEqual(10);
    });

    it('computes in a worker', async () => {
      const { page } = await open('plain/unbundled.html');
      const found = await evaluate(
        page,
        `const program = \`import { fusedBearLoss } from '${pages.address}/browser/index.mjs';
        postMessage(fusedBearLoss(Float32Array.of(1, 2, 3), [0], { beamWidth: 2 }).loss);\`;
        const worker = new Worker(URL.createObjectURL(new Blob([program], { type: 'text/javascript' })), { type: 'module' });
        return new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (event) => reject(new Error(event.message));
        });`,
      );
      expect(found).toBeCloseTo(fusedBearLoss(Float32Array.of(1, 2, 3), [0], { beamWidth: 2 }).loss, 6);
    });

    it('stores a trie in the bytes that Node stores it in', async () => {
      const { page } = await open('plain/unbundled.html');
      const items = [
        [1, 2, 3],
        [1, 2, 4],
        [7, 0, 1],
      ];
      const bytes = await evaluate<number[]>(
        page,
        `const { TokenTrie } = await load.decoding();
        const bytes = TokenTrie.fromSequences(${JSON.stringify(items)}).serialize();
        return [...TokenTrie.load(bytes).serialize()];`,
      );
      expect(bytes).toEqual([...TokenTrie.fromSequences(items).serialize()]);
    });

    it('of the example trains two models, with a progress bar and a point every few steps', async () => {
      const { page, errors } = await open('example/index.html?steps=100');
      await page.click('#train');
      await page.waitForSelector('#train:text("Train again")');
      const found = await evaluate<{ progress: number[]; loss: number; points: number[] }>(
        page,
        `const { value, max } = document.querySelector('progress');
        const points = [...document.querySelectorAll('.line')].map((line) => line.getAttribute('d').split('L').length);
        return { progress: [value, max], loss: Number(document.getElementById('bear-nll').textContent), points };`,
      );
      expect(found).toEqual({ progress: [100, 100], loss: expect.any(Number), points: [50, 50, 50, 50] });
      expect(found.loss).toBeLessThan(0.9 * Math.log(1000));
      expect(errors).toEqual([]);
    });

    it.each(['inTensorFlow', 'inJax'])('takes part in a training step %s', async (framework) => {
      const { page } = await open('bundled/index.html');
      const found = await evaluate(page, `return (await load.adapters()).${framework}();`);
      const { loss, gradLogits } = fusedBearLoss(Float32Array.of(1, 0, 2, 1), [1], { beamWidth: 2 });
      const gradient = Array.from(gradLogits, (entry) => expect.closeTo(entry, 6));
      expect(found).toEqual({ loss: expect.closeTo(loss, 6), gradient });
    });

    it('finds the names of the CUDA entry, which refuse with a code', async () => {
      const { page } = await open('plain/unbundled.html');
      const found = await evaluate(
        page,
        `const { DeviceTensor, deviceMemory } = await load.cuda();
        return [() => DeviceTensor.fromHost(Float32Array.of(1)), () => deviceMemory()].map((call) => {
          try { call(); } catch ({ code }) { return code; }
        });`,
      );
      expect(found).toEqual(Array(2).fill('ERR_BEAR_CUDA_NOT_BUILT'));
    });
  });
});
