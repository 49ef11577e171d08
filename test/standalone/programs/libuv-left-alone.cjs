// Reads a file while losses run and wait in several workers and here. Libuv has one thread only (UV_THREADPOOL_SIZE=1): were
// a loss on it, the file would wait for all losses of this thread. They are aborted once the file is there: on a busy machine
// some may have ended before, but not all.
const { readFile } = require('node:fs/promises');
const { once } = require('node:events');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { makeProblem, startCalls } = require('./problem.cjs');

// On one thread, so that it takes a while.
const LONG = { threads: 1, softcap: 30 };

function start(signal) {
  const calls = startCalls(3, makeProblem(2048, 4096), { ...LONG, signal });
  return Promise.allSettled(calls);
}

async function main() {
  const order = [];
  const workers = [new Worker(__filename), new Worker(__filename)];
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const controller = new AbortController();
  const settled = start(controller.signal).then((results) => {
    order.push(...results.map(({ status }) => status));
  });
  await readFile(__filename);
  order.push('file');
  controller.abort();
  await settled;
  await Promise.all(workers.map((worker) => worker.terminate()));
  console.log(order.join(' '));
}

if (isMainThread) {
  main();
} else {
  start();
  parentPort.postMessage('started');
}
