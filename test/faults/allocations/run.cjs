// Every public call with its n-th allocation inside the addon failing, for every n: with only that one failing and with all
// from it on, one call at a time and several at once, on the main thread and on a worker, with small rows and with rows
// that several threads share. Each call has a process of its own, so that what is allocated once in a process fails as well.
//
// A failing allocation ends in an error of the public codes with all arguments' bytes unchanged, or in the right result.
// The same call then succeeds, and as many allocations are live as before. Prints the counts.
//
//   node test/faults/allocations/run.cjs [a call's name, or its beginning]
//
// Takes the addon from build/emulated, or where FUSED_BEAR_LOSS_PREBUILD says: build/failing has no device.
const { spawn } = require('node:child_process');
const { availableParallelism } = require('node:os');
const { join } = require('node:path');
const { isDeepStrictEqual } = require('node:util');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const root = join(__dirname, '..', '..', '..');
process.env.FUSED_BEAR_LOSS_PREBUILD ??= join(root, 'build', 'emulated');
const addonFile = join(process.env.FUSED_BEAR_LOSS_PREBUILD, 'build', 'Release', 'fused_bear_loss.node');

// Rows long enough for two threads.
const LONG_ROW = 1 << 16;
// Runs until one leaves no more allocations live than the one before. A leak leaves more each time.
const MOST_RUNS = 8;
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
  #counts = { runs: 0, failing: 0, errors: 0 };

  constructor() {
    const { allocator, emulator } = require(addonFile);
    this.#allocator = allocator;
    this.#emulator = emulator;
  }

  /** Nothing is called before the first allocation fails: also what is allocated once only has to fail. */
  async examine(call) {
    const isSized = !call.isOnDevice && !isDeepStrictEqual(call.makeArguments(), call.makeArguments(LONG_ROW));
    const sizes = isSized ? [undefined, LONG_ROW] : [undefined];
    for (const size of sizes) {
      for (const together of call.isOnDevice ? [1] : [1, size === undefined ? 5 : 2]) {
        for (const allFrom of [false, true]) await this.#failEach(call, { size, together, allFrom });
      }
    }
    return this.#counts;
  }

  async #failEach(call, variant) {
    for (let nth = 1; ; nth++) {
      if (!(await this.#fail(call, nth, variant))) return;
      this.#counts.failing++;
    }
  }

  /** False where the call makes fewer allocations. */
  async #fail(call, nth, { size, together, allFrom }) {
    const where = `${call.name}, ${together} at once, ${size ?? 'short'} rows, allocation ${nth}${allFrom ? ' and all after it' : ''}`;
    let before = Number.POSITIVE_INFINITY;
    for (let run = 0; run < MOST_RUNS; run++) {
      const sets = Array.from({ length: together }, () => call.makeArguments(size));
      const snapshots = sets.map(snapshot);
      this.#allocator.arm(nth, allFrom);
      const outcomes = await Promise.all(sets.map((args) => outcomeOf(() => call.run(...args))));
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
      if (failed === 0) return false;
      const live = await this.#live();
      if (live <= before) return true;
      before = live;
    }
    throw new Error(`${where}: each run leaves more allocations`);
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
  // One at a time, in short rows and on this thread: the rest is the same host code again, and takes the emulated device minutes.
  return [...publicCalls, ...deviceCalls.map((call) => ({ ...call, isOnDevice: true }))];
}

/** The call in this process: in a worker whose loading of the addon fails at each allocation, on a worker, and here. */
async function examineHere(name) {
  const { allocator } = require(addonFile);
  const counts = { runs: 0, failing: 0, errors: 0 };
  const add = (more) => {
    for (const key of Object.keys(counts)) counts[key] += more[key];
  };
  add(await new Harness().examine(allCalls().find((call) => call.name === name)));
  for (let nth = 1, failed = 1; failed > 0; nth++) {
    allocator.arm(nth, false);
    const { error } = await outcomeOf(() => runWorker({ name, loadOnly: true }));
    failed = allocator.disarm();
    if (error !== undefined && (failed === 0 || error.code !== 'ERR_BEAR_OUT_OF_MEMORY')) throw error;
    counts.runs++;
    counts.failing += Math.min(failed, 1);
    counts.errors += error === undefined ? 0 : 1;
  }
  if (!allCalls().find((call) => call.name === name).isOnDevice) add(await runWorker({ name, loadOnly: false }));
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

async function workerMain({ name, loadOnly }) {
  try {
    if (loadOnly) {
      require('fused-bear-loss').topTokens(new Float32Array(2), 1, { vocabSize: 2 });
      parentPort.postMessage({});
    } else {
      parentPort.postMessage({
        counts: await new Harness().examine(allCalls().find((call) => call.name === name)),
      });
    }
  } catch (error) {
    parentPort.postMessage({ error: error.stack + (error.cause ? `\n${error.cause.stack}` : ''), code: error.code });
  }
}

function runProcess(name) {
  const { promise, resolve } = withResolvers();
  const child = spawn(process.execPath, ['--expose-gc', __filename, '--here', name], {
    stdio: ['ignore', 'pipe', 'pipe'],
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

/** How many allocations of the addon the call makes when it is made for the first time. */
async function countAllocations(call) {
  const { allocator } = require(addonFile);
  const args = call.makeArguments();
  allocator.arm(Number.MAX_SAFE_INTEGER, false);
  await call.run(...args);
  allocator.disarm();
  return allocator.counted();
}

async function main(beginning = '') {
  const calls = allCalls().filter(({ name }) => name.startsWith(beginning));
  const waiting = [];
  for (const call of calls) if ((await countAllocations(call)) > 0) waiting.push(call.name);
  const totals = {
    'kinds of calls': calls.length,
    'that allocate': waiting.length,
    'and end cleanly': 0,
    runs: 0,
    'failing allocations': 0,
    errors: 0,
  };
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { counts, complaint } = await runProcess(name);
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
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  console.log(JSON.stringify(totals));
}

if (!isMainThread) workerMain(workerData);
else if (process.argv[2] === '--here')
  examineHere(process.argv[3]).then((counts) => console.log(JSON.stringify(counts)));
else main(process.argv[2]);
