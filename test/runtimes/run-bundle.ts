// Runs bundled test files, named on the command line, where jest does not run. A line for each, after its failures.
import { basename, dirname } from 'node:path';
import { defineGlobals, runFile } from './small-jest';

async function main(files: readonly string[]): Promise<void> {
  defineGlobals();
  for (const file of files) {
    const started = performance.now();
    const { passed, skipped, failures } = await runFile(() => require(file));
    for (const { name, message } of failures) console.log(`FAILED ${name}\n${message}\n`);
    const name = `${basename(dirname(file))}/${basename(file, '.cjs')}`;
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`${name}: ${passed} passed, ${failures.length} failed, ${skipped} skipped, ${seconds} s`);
    // A file without a test would read as passed.
    if (failures.length > 0 || passed === 0) process.exitCode = 1;
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
