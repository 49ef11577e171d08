// Leaves while calls run and wait: `now` by process.exit, `now-in-a-while` when the first of them is done, `throw` by an
// uncaught error, `end` when all is done.
const { makeProblem, startCalls } = require('./problem.cjs');

const how = process.argv[2];
const calls = startCalls(6, makeProblem(64, 50000));
Promise.all(calls).then((results) => console.log(`finished ${results.length}`));
if (how === 'now') process.exit(0);
if (how === 'now-in-a-while') Promise.race(calls).then(() => process.exit(0));
if (how === 'throw') {
  process.on('uncaughtException', () => process.exit(3));
  setImmediate(() => {
    throw new Error('a bug of the program');
  });
}
