// The memory that stays after a collection, in MiB. Needs --expose-gc.
async function residentMebibytes() {
  for (let i = 0; i < 3; ++i) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().rss / 2 ** 20;
}

module.exports = { residentMebibytes };
