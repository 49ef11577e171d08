// Runs bundled test files, named on the command line, where jest does not run. A line for each, after its failures; the last
// line holds all counts.
import { basename, dirname } from 'node:path';
import { type Counts, defineGlobals, runFile, TOTALS } from './small-jest';

async function main(files: readonly string[]): Promise<void> {
  defineGlobals();
  const totals: Counts = { passed: 0, skipped: [], failures: [] };
  for (const file of files) {
    const started = performance.now();
    const { passed, skipped, failures } = await runFile(() => require(file));
    const name = `${basename(dirname(file))}/${basename(file, '.cjs')}`;
    // A file without a test would read as passed.
    if (passed + skipped.length + failures.length === 0) failures.push({ name, message: 'the file has no tests' });
    for (const { name, message } of failures) console.log(`FAILED ${name}\n${message}\n`);
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`${name}: ${passed} passed, ${failures.length} failed, ${skipped.length} skipped, ${seconds} s`);
    totals.passed += passed;
    totals.skipped.push(...skipped);
    totals.failures.push(...failures);
  }
  console.log(`${TOTALS}${JSON.stringify(totals)}`);
  if (totals.failures.length > 0) process.exitCode = 1;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
