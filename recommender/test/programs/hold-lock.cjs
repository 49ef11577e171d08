// Takes the lock of the folder of the first argument, says so, and keeps it for so many milliseconds as the second says, or,
// where it says `exit`, `throw` or `wait`, ends in that way. With a number of rounds as the third, again and again; then it
// counts how often it held the lock, and fails where somebody else was in there with it.
const { closeSync, openSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { setTimeout: pause } = require('node:timers/promises');
const { withFolderLock } = require('../../dist/training/folder-lock.js');

const [folder, ending, rounds = '1'] = process.argv.slice(2);

async function hold() {
  // Only one can create it.
  const inside = join(folder, 'inside');
  closeSync(openSync(inside, 'wx'));
  console.log('held');
  if (ending === 'exit') process.exit(3);
  if (ending === 'throw') throw new Error('thrown');
  await (ending === 'wait' ? pause(600_000) : pause(Number(ending)));
  rmSync(inside);
}

async function main() {
  let held = 0;
  for (let round = 0; round < Number(rounds); round++) {
    try {
      await withFolderLock(folder, hold);
      held++;
    } catch (error) {
      if (Number(rounds) === 1 || !/is in use by|is locking it/.test(error.message)) throw error;
      await pause(Math.random() * 4);
    }
  }
  console.log(held);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
