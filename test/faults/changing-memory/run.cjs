// Every public call while another thread writes to its arguments: values may be wrong, addresses never. Shares one array of
// the arguments at a time, so that the others pass the checks, and then all of them. Prints the calls that were made.
//
//   node test/faults/changing-memory/run.cjs [milliseconds for each set of arguments, default 100] [a call's name, or its beginning]
const { publicCalls } = require('../../support/public-calls.cjs');
const { Arena, withSharedArrays } = require('./arena.cjs');

const VOCAB_SIZE = 8192;
const ARENA_BYTES = 1 << 20;

const [milliseconds = '100', beginning = ''] = process.argv.slice(2);
const calls = publicCalls.filter(({ name }) => name.startsWith(beginning));

function countArrays(call) {
  let count = 0;
  withSharedArrays(call.makeArguments(), (array) => {
    count++;
    return array;
  });
  return count;
}

/** The call, again and again for a while. `isShared(place)` says which arrays lie in the arena, counted as they are met. */
async function repeat(call, arena, isShared) {
  arena.release(0);
  let place = 0;
  const share = (array) => (isShared(place++) ? arena.share(array) : array);
  const args = withSharedArrays(call.makeArguments(VOCAB_SIZE), share);
  const ofArguments = arena.used;
  const end = Date.now() + Number(milliseconds);
  let made = 0;
  do {
    arena.release(ofArguments); // what the functions among the arguments returned
    try {
      await call.run(...args);
    } catch (error) {
      // Numbers that change are refused as any others are.
      if (typeof error.code !== 'string' || !error.code.startsWith('ERR_BEAR_')) throw error;
    }
    made++;
  } while (Date.now() < end);
  return made;
}

async function main() {
  const arena = new Arena(ARENA_BYTES);
  const stop = await arena.scribble();
  const counts = { 'kinds of calls': 0, 'sets of arguments': 0, calls: 0 };
  for (const call of calls) {
    const arrays = countArrays(call);
    // Arrays that a function returns have no place before it was called: they are shared with all others.
    const sets = [...Array(arrays).keys()].map((shared) => (place) => place === shared);
    sets.push(() => true);
    for (const isShared of sets) counts.calls += await repeat(call, arena, isShared);
    counts['kinds of calls']++;
    counts['sets of arguments'] += sets.length;
  }
  await stop();
  console.log(JSON.stringify(counts));
}

main();
