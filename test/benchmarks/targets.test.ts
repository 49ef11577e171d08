import { listTargets, verdict } from '../../benchmarks/targets';

const shape = { rows: 256, vocabSize: 32000 };

function measured(name: string, milliseconds: number) {
  return { name, samples: [milliseconds], percentile10: milliseconds, median: milliseconds };
}

function targetsOn(family: string | undefined, floorMs: number, bearMs: number) {
  const measurements = [measured('read floor (plain)', floorMs), measured('BEAR, C++', bearMs)];
  const cases = [
    { name: 'forward', shape, dtype: 'float32' as const, threads: 1, pass: 'forward' as const, measurements },
  ];
  const machine = { family } as Parameters<typeof listTargets>[0]['machine'];
  return listTargets({ cases, accuracy: [{ shape, rows: 8, gradientError: 1e-6 }], machine });
}

describe('the targets of the benchmark', () => {
  it('are those of the processor', () => {
    const [onZen4] = targetsOn('zen4', 2, 2.8);
    const [onRapids] = targetsOn('sapphire-rapids', 2, 2.8);
    expect([onZen4, onRapids].map((target) => target && verdict(target))).toEqual([
      'must reached, aim missed at 256 x 32000',
      'must MISSED at 256 x 32000',
    ]);
  });

  it.each(['default', undefined])('judge no time on another processor (%s), and report it', (family) => {
    const [ratio, error] = targetsOn(family, 2, 2.8);
    expect(ratio).toMatchObject({ bar: undefined, values: [{ at: '256 x 32000', value: 1.4 }] });
    expect(ratio && verdict(ratio)).toBe('no target for this processor');
    expect(error && verdict(error)).toBe('aim reached');
  });
});
