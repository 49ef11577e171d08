// Writes to all of the arena that is in use, again and again, until it is terminated: numbers that rise, so that every logit
// passes the bound; NaN, infinities and zeros; anything at all.
const { parentPort, workerData } = require('node:worker_threads');

const { buffer, control } = workerData;
const floats = (make) => new Uint8Array(Float32Array.from({ length: buffer.byteLength / 4 }, (_, i) => make(i)).buffer);

const patterns = [
  floats((index) => index),
  floats((index) => (index % 3 === 0 ? index : Number.NaN)),
  floats((index) => [1, -Infinity, Infinity, 0][index % 4]),
  floats((index) => -index),
  new Uint8Array(buffer.byteLength).map((_, index) => (Math.imul(index, 2654435761) >>> 13) & 0xff),
  new Uint8Array(buffer.byteLength),
];

const bytes = new Uint8Array(buffer);
parentPort.postMessage('ready');
for (let turn = 0; ; turn++) {
  const used = Atomics.load(control, 0);
  bytes.set(patterns[turn % patterns.length].subarray(0, used));
}
