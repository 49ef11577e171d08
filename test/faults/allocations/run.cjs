// Every public call with its n-th allocation inside the addon failing, for every n: with only that one failing and with all
// from it on, on the main thread and on a worker, with small rows and with rows that several threads share. Asynchronous
// calls also several at once. A worker's loading of the addon likewise. Each call has a
// process of its own, so that what is allocated once in a process fails as well.
//
// A failing allocation ends in an error of the public codes with all arguments' bytes unchanged, or in the right result.
// The same call then succeeds, as many allocations are live as before, and the emulated device has found no misuse. Prints
// the counts.
//
//   node test/faults/allocations/run.cjs [a call's name, or its beginning]
//
// Takes the addon from build/emulated, or from where FUSED_BEAR_LOSS_PREBUILD says: build/failing has no device.
const { spawn } = require('node:child_process');
const { availableParallelism } = require('node:os');
const { join, resolve } = require('node:path');
const { isDeepStrictEqual } = require('node:util');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const root = join(__dirname, '..', '..', '..');
process.env.FUSED_BEAR_LOSS_PREBUILD = resolve(process.env.FUSED_BEAR_LOSS_PREBUILD ?? join(root, 'build', 'emulated'));
const addonFile = join(process.env.FUSED_BEAR_LOSS_PREBUILD, 'build', 'Release', 'fused_bear_loss.node');

// Rows long enough for two threads.
const LONG_ROW = 1 << 16;
// Runs until one leaves no more allocations live than the one before. A leak leaves more each time.
const MOST_RUNS = 8;
// Of a process. Longer than any takes, also under a sanitizer: one that hangs is named, not waited for.
const MOST_MILLISECONDS = 600_000;
const LOADING = 'loading on a worker';
const OUT_OF_MEMORY = ['ERR_BEAR_OUT_OF_MEMORY', 'ERR_BEAR_CUDA_OUT_OF_MEMORY', 'ERR_BEAR_CUDA_OUT_OF_PINNED_MEMORY'];

/** Calls `visit(array or tensor)` for all that the caller's objects contain; a trie's own arrays are not the caller's. */
function visitMemory(value, visit) {
  if (typeof value !== 'object' || value === null) return;
  if (ArrayBuffer.isView(value) || typeof value.toHost === 'function') return visit(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) return;
  for (const member of Object.values(value)) visitMemory(member, visit);
}

function bytesOf(memory) {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(memory) ? memory : memory.toHost();
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}

function snapshot(args) {
  const bytes = [];
  visitMemory(args, (memory) => bytes.push(bytesOf(memory)));
  return bytes;
}

async function outcomeOf(run) {
  try {
    return { value: await run() };
  } catch (error) {
    return { error };
  }
}

class Harness {
  #allocator;
  #emulator;
  #isAsync = false;
  #counts = { runs: 0, failing: 0, errors: 0 };

  constructor() {
    const { allocator, emulator } = require(addonFile);
    this.#allocator = allocator;
    this.#emulator = emulator;
  }

  /** Nothing is called before the first allocation fails: also what is allocated once only has to fail. */
  async examine(call) {
    // Long rows on the emulated device take minutes, in the same host code.
    const isSized = !call.isOnDevice && !isDeepStrictEqual(call.makeArguments(), call.makeArguments(LONG_ROW));
    for (const size of isSized ? [undefined, LONG_ROW] : [undefined]) {
      await this.#failAll(call, { size, together: 1 });
      if (this.#isAsync) await this.#failAll(call, { size, together: call.isOnDevice || size !== undefined ? 2 : 5 });
    }
    return this.#counts;
  }

  async #failAll(call, variant) {
    for (const allFrom of [false, true]) await this.#failEach(call, { ...variant, allFrom });
  }

  async #failEach(call, variant) {
    for (let nth = 1; ; nth++) {
      if (!(await this.#fail(call, nth, variant))) return;
      this.#counts.failing++;
    }
  }

  #run(call, args) {
    const result = call.run(...args);
    if (result instanceof Promise) this.#isAsync = true;
    return result;
  }

  /** False where the call makes fewer allocations. */
  async #fail(call, nth, { size, together, allFrom }) {
    const where = `${call.name}, ${together} at once, ${size ?? 'short'} rows, allocation ${nth}${allFrom ? ' and all after it' : ''}`;
    let before;
    for (let run = 0; run < MOST_RUNS; run++) {
      const sets = Array.from({ length: together }, () => call.makeArguments(size));
      const snapshots = sets.map(snapshot);
      this.#allocator.arm(nth, allFrom);
      const outcomes = await Promise.all(sets.map((args) => outcomeOf(() => this.#run(call, args))));
      const failed = this.#allocator.disarm();
      this.#counts.runs++;
      const expected = await call.run(...call.makeArguments(size));
      for (const [index, { error, value }] of outcomes.entries()) {
        if (error === undefined) {
          if (!isDeepStrictEqual(value, expected)) throw new Error(`${where}: another result`);
          continue;
        }
        this.#counts.errors++;
        if (failed === 0 || !OUT_OF_MEMORY.includes(error.code)) {
          throw new Error(`${where}: not an error that memory causes`, { cause: error });
        }
        if (!isDeepStrictEqual(snapshot(sets[index]), snapshots[index])) throw new Error(`${where}: arguments changed`);
      }
      visitMemory(sets, (memory) => memory.dispose?.());
      this.#checkDevice(where);
      if (failed === 0) return false;
      const live = await this.#live();
      if (before !== undefined && live <= before) return true;
      before = live;
    }
    throw new Error(`${where}: each run leaves more allocations`);
  }

  #checkDevice(where) {
    if (this.#emulator === undefined) return;
    const [report] = this.#emulator.reports();
    if (report !== undefined) throw new Error(`${where}: ${report.kind}: ${report.text}`);
    // All is over: what the emulator keeps of this call's streams and events slows the next ones.
    this.#emulator.reset();
  }

  /** After what nobody holds any more has been collected. */
  async #live() {
    if (this.#emulator !== undefined) {
      for (let i = 0; i < 2; i++) {
        global.gc();
        await new Promise(setImmediate);
      }
    }
    const held = Object.values(this.#emulator?.liveCounts() ?? {});
    return this.#allocator.live() + held.reduce((sum, count) => sum + count, 0);
  }
}

function allCalls() {
  const { publicCalls, deviceCalls } = require('../../support/public-calls.cjs');
  const { emulator } = require(addonFile);
  if (emulator === undefined) return publicCalls;
  return [...publicCalls, ...deviceCalls.map((call) => ({ ...call, isOnDevice: true }))];
}

/** Here, and then on a worker. */
async function examineHere(name) {
  if (name === LOADING) return examineLoading();
  const here = await new Harness().examine(allCalls().find((call) => call.name === name));
  if (here.failing === 0) return here; // it allocates nothing
  const there = await runWorker({ name });
  return Object.fromEntries(Object.entries(here).map(([key, count]) => [key, count + there[key]]));
}

async function examineLoading() {
  const { allocator } = require(addonFile);
  const counts = { runs: 0, failing: 0, errors: 0 };
  for (const allFrom of [false, true]) {
    for (let nth = 1, failed = 1; failed > 0; nth++) {
      allocator.arm(nth, allFrom);
      const { error } = await outcomeOf(() => runWorker({ name: LOADING }));
      failed = allocator.disarm();
      if (error !== undefined && (failed === 0 || error.code !== 'ERR_BEAR_OUT_OF_MEMORY')) throw error;
      counts.runs++;
      counts.failing += Math.min(failed, 1);
      counts.errors += error === undefined ? 0 : 1;
    }
  }
  return counts;
}

function runWorker(data) {
  const { promise, resolve, reject } = withResolvers();
  const worker = new Worker(__filename, { workerData: data });
  worker.on('message', ({ counts, error, code }) => {
    if (error === undefined) resolve(counts);
    else reject(Object.assign(new Error(error), { code }));
  });
  worker.on('error', reject);
  return promise;
}

function withResolvers() {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
}

async function workerMain({ name }) {
  try {
    if (name === LOADING) require('fused-bear-loss').topTokens(new Float32Array(2), 1, { vocabSize: 2 });
    const call = allCalls().find((one) => one.name === name);
    parentPort.postMessage({ counts: call && (await new Harness().examine(call)) });
  } catch (error) {
    parentPort.postMessage({ error: error.stack + (error.cause ? `\n${error.cause.stack}` : ''), code: error.code });
  }
}

// Ends the processes of the calls.
const stop = new AbortController();

function runProcess(name) {
  const { promise, resolve } = withResolvers();
  const child = spawn(process.execPath, ['--expose-gc', __filename, '--here', name], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: MOST_MILLISECONDS,
    signal: stop.signal,
  });
  let output = '';
  let complaint = '';
  child.stdout.on('data', (part) => {
    output += part;
  });
  child.stderr.on('data', (part) => {
    complaint += part;
  });
  child.on('close', (status, signal) => {
    if (status === 0) resolve({ name, counts: JSON.parse(output) });
    else resolve({ name, complaint: `ended with ${status ?? signal}\n${complaint.slice(0, 3000)}` });
  });
  return promise;
}

async function main(beginning = '') {
  const names = [LOADING, ...allCalls().map(({ name }) => name)].filter((name) => name.startsWith(beginning));
  const totals = {
    'kinds of calls': names.length,
    'that allocate': 0,
    'and end cleanly': 0,
    runs: 0,
    'failing allocations': 0,
    errors: 0,
  };
  const work = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const { counts, complaint } = await runProcess(name);
      if (counts?.failing === 0) continue;
      totals['that allocate']++;
      if (counts === undefined) {
        console.error(`${name} ${complaint}`);
        process.exitCode = 1;
        continue;
      }
      totals['and end cleanly']++;
      totals.runs += counts.runs;
      totals['failing allocations'] += counts.failing;
      totals.errors += counts.errors;
    }
  };
  process.once('SIGTERM', () => stop.abort());
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  console.log(JSON.stringify(totals));
}

if (!isMainThread) workerMain(workerData);
else if (process.argv[2] === '--here')
  examineHere(process.argv[3]).then((counts) => console.log(JSON.stringify(counts)));
else main(process.argv[2]);
