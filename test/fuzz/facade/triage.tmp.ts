import { BEAR_ERROR_CODES } from '../../../lib/loss/errors.js';
import { publicCalls } from '../../support/public-calls.cjs';
import { runCase } from './facade-case.js';

process.on('unhandledRejection', () => {}); let lastOne: unknown; process.on('exit', () => { require('node:fs').writeFileSync('/tmp/facade-last', JSON.stringify(lastOne)); });
const n = Number(process.argv[2]);
let s = Number(process.argv[3] ?? 1);
const rnd = () => {
  s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
  return s;
};
void (async () => {
  const seen = new Map<string, { count: number; text: string }>();
  const times = new Map<string, number>();
  const t = Date.now();
  const slow = '';
  for (let i = 0; i < n; i++) {
    if (i % 1000 === 0) console.log(i, Date.now() - t);
    const one = { call: rnd() >>> 8, spoilings: Array.from({ length: 1 + ((rnd() >>> 9) % 3) }, () => rnd()) };
    lastOne = one; const t0 = Date.now();
    const tt = performance.now();
    const problem = await runCase(publicCalls as never, new Set<string>(BEAR_ERROR_CODES), one);
    const nm = (publicCalls as any)[one.call % publicCalls.length].name;
    times.set(nm, (times.get(nm) ?? 0) + performance.now() - tt);
    if (Date.now() - t0 > 300) console.log('slow', i, `${JSON.stringify(one)} ${Date.now() - t0} ms`);
    if ((publicCalls as any)[one.call % publicCalls.length].name.startsWith('fusedBearLossAsync')) {
      const core = require('fused-bear-loss');
      const ok = await Promise.race([core.fusedBearLossAsync(new Float32Array(4), [1]).then(() => 1), new Promise((r) => setTimeout(() => r(0), 3000))]);
      if (!ok) { console.log('STUCK after', i, JSON.stringify(one)); require('node:fs').writeFileSync('/tmp/facade-last', JSON.stringify(one)); lastOne = one; process.exit(0); }
    }
    if (problem === undefined) continue;
    const lines = problem.split('\n');
    const key = lines[1] + (lines.find((l) => /\(?\/work.*(dist)/.test(l)) ?? '');
    const e = seen.get(key) ?? { count: 0, text: problem + '\n' + JSON.stringify(one) };
    e.count++;
    seen.set(key, e);
  }
  for (const { count, text } of [...seen.values()].sort((a, b) => b.count - a.count).slice(0, 25))
    console.log(count, text.split('\n').slice(0, 7).join('\n'), text.split('\n').at(-1), '\n');
  console.log(
    [...times]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 12)
      .map(([k, v]) => k + ' ' + v.toFixed(0))
      .join(', '),
  );
  console.log(seen.size, 'kinds', Date.now() - t, 'ms', slow);
  process.exit(0);
})();
