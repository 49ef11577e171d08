// Any value in any position of every public call (docs/robustness.md).
//
//   npm run fuzz:facade -- --cases N --seed S [--path P]
//
// The cases run in a process of their own, which tells before each one that it begins. One that does not end, or that
// takes the process down, is a failure as any other: the seed and the path of the case replay it.
import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { BEAR_ERROR_CODES } from '../../../lib/options/errors.js';
import { publicCalls } from '../../support/public-calls.cjs';
import { type FacadeCase, runCase } from './facade-case.js';

const PROGRESS = 3;
const LONGEST_CASE_MS = 60_000;

const { values: options } = parseArgs({
  options: {
    cases: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() & 0x7fffffff) },
    path: { type: 'string' },
    only: { type: 'string', default: '' },
    child: { type: 'boolean', default: false },
  },
});
const seed = Number(options.seed);
const cases = Number(options.cases);

async function runCases(): Promise<void> {
  const calls = publicCalls.filter(({ name }) => name.startsWith(options.only));
  const codes = new Set<string>(BEAR_ERROR_CODES);
  const anyCase: fc.Arbitrary<FacadeCase> = fc.record({
    call: fc.nat(calls.length - 1),
    spoilings: fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 3 }),
  });
  // What a case leaves behind, as the rejection of a step that nobody waits for any more, is not the package's.
  process.on('unhandledRejection', () => {});
  const property = fc.asyncProperty(anyCase, async (one) => {
    writeSync(PROGRESS, '.');
    const problem = await runCase(calls, codes, one);
    if (problem !== undefined) throw new Error(problem);
  });
  const result = await fc.check(property, { seed, numRuns: cases, ...(options.path && { path: options.path }) });
  closeSync(PROGRESS);
  if (!result.failed) return;
  const [smallest] = result.counterexample ?? [];
  console.error(`${(result.errorInstance as Error).message}\nsmallest case: ${JSON.stringify(smallest)}`);
  console.error(`replay: npm run fuzz:facade -- --seed ${seed} --path ${result.counterexamplePath}`);
  process.exit(1);
}

function watch(): void {
  console.log(`facade: ${cases} cases of ${publicCalls.length} calls, seed ${seed}`);
  const started = Date.now();
  const child = spawn(
    process.execPath,
    [...process.execArgv, ...process.argv.slice(1), '--child', '--seed', `${seed}`],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    },
  );
  let begun = 0;
  let isHanging = false;
  const kill = () => {
    isHanging = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(kill, LONGEST_CASE_MS);
  child.stdio[PROGRESS]?.on('data', (bytes: Buffer) => {
    begun += bytes.length;
    clearTimeout(timer);
    timer = setTimeout(kill, LONGEST_CASE_MS);
  });
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (code === 0 && (begun === cases || options.path)) {
      const errors = 'every one returned, or ended with a documented code or what the caller threw';
      console.log(`facade: ${begun} cases in ${((Date.now() - started) / 1000).toFixed(0)} s, ${errors}`);
      return;
    }
    process.exitCode = 1;
    if (code === 1) return; // said what it found
    const what = isHanging ? `did not end within ${LONGEST_CASE_MS / 1000} s` : `ended the process (${signal ?? code})`;
    console.error(`case ${begun - 1} ${what}\nreplay: npm run fuzz:facade -- --seed ${seed} --path ${begun - 1}`);
  });
}

if (options.child) void runCases();
else watch();
