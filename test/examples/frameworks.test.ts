/** The examples with other frameworks learn; as programs of their own, with the package as it was built. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

function runExample(...args: string[]): string {
  const child = spawnSync(process.execPath, ['--import', 'tsx', ...args], {
    cwd: join(__dirname, '../..'),
    encoding: 'utf8',
  });
  if (child.status !== 0) throw new Error(`${args.join(' ')} failed: ${child.stderr}`);
  return child.stdout;
}

describe.each([
  ['tfjs on wasm', ['examples/tfjs/next-item.ts', '--smoke']],
  ['jax-js', ['examples/jax/next-item.ts', '--smoke']],
])('the example with %s', (_, args) => {
  const output = runExample(...args);

  it('learns', () => {
    const [, first, last] = /loss from ([\d.]+) to ([\d.]+)/.exec(output) ?? [];
    expect(Number(first)).toBeCloseTo(Math.log(200), 0);
    expect(Number(last)).toBeLessThan(0.8 * Number(first));
  });

  it('tells of the pruned rate, which falls', () => {
    const rates = [...output.matchAll(/pruned ([\d.]+) %/g)].map(([, rate]) => Number(rate));
    expect(rates).toHaveLength(4);
    expect(rates[3]).toBeLessThan(rates[0] as number);
  });
});
