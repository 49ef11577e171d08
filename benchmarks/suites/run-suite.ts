// Runs the cases of a suite, one after the other.
import { setTimeout as delay } from 'node:timers/promises';
import { type Contender, measure } from '../harness';
import type { PeerName } from '../peers/peer';
import { measurePeakMemory } from './memory';
import type { SuiteCaseResult } from './results';
import type { OpenContender, Suite, SuiteCase, SuiteContender, SuiteOptions } from './suite';

export interface RunSuiteOptions extends SuiteOptions {
  peers: ReadonlySet<PeerName>;
  secondsPerCase: number;
  fewestRounds: number;
  mostRounds: number;
  memory: boolean;
  /** Before each case; a bar's label. */
  onCase(name: string): void;
}

// Of a case with peers: threads of onnxruntime, OpenMP and OpenBLAS spin after a call, in case another one comes; the last
// for 2^26 cycles.
const settleMilliseconds = 60;
/** Of float32 sums in different orders. */
const lossTolerance = 1e-4;

/** Contenders that compute the same must agree: otherwise something else was computed, and the times mean nothing. */
class LossCheck {
  readonly #expected = new Map<string, { loss: number; name: string }>();

  check({ name, computes }: SuiteContender, loss: number | undefined): void {
    if (computes === undefined) return;
    if (loss === undefined || !Number.isFinite(loss)) throw new Error(`${name}: a loss of ${loss}`);
    const expected = this.#expected.get(computes);
    if (expected === undefined) this.#expected.set(computes, { loss, name });
    else if (Math.abs(loss - expected.loss) > lossTolerance * Math.abs(expected.loss)) {
      throw new Error(`${name}: a loss of ${loss}, ${expected.name} found ${expected.loss}`);
    }
  }
}

async function runCase(each: SuiteCase, options: RunSuiteOptions): Promise<SuiteCaseResult> {
  const installed = each.contenders().filter(({ peer }) => peer === undefined || options.peers.has(peer));
  const losses = new LossCheck();
  const open: OpenContender[] = [];
  const contenders: Contender[] = [];
  try {
    for (const contender of installed) {
      const opened = await contender.open();
      open.push(opened);
      contenders.push({
        name: contender.name,
        mostRounds: contender.mostRounds,
        run: async () => {
          const { milliseconds, loss } = await opened.run();
          losses.check(contender, loss);
          return milliseconds;
        },
      });
    }
    const measurements = await measure(contenders, {
      seconds: options.secondsPerCase,
      fewestRounds: options.fewestRounds,
      mostRounds: options.mostRounds,
      bufferCount: 1,
      prepare: () => delay(installed.some(({ peer }) => peer !== undefined) ? settleMilliseconds : 0),
    });
    const { name, parameters, reference, series } = each;
    const placed = measurements.map((measurement, index) => ({ ...measurement, x: installed[index]?.x }));
    return { name, parameters, reference, series, measurements: placed, memory: [] };
  } finally {
    for (const opened of open) await opened.close?.();
  }
}

async function measureMemory(
  suite: Suite,
  each: SuiteCase,
  options: RunSuiteOptions,
): Promise<SuiteCaseResult['memory']> {
  const memory: SuiteCaseResult['memory'] = [];
  for (const contender of each.contenders()) {
    const isInstalled = contender.peer === undefined || options.peers.has(contender.peer);
    if (contender.memory === false || !isInstalled) continue;
    const bytes = await measurePeakMemory(suite.name, options, each.name, contender.name);
    if (bytes !== undefined) memory.push({ name: contender.name, bytes });
  }
  return memory;
}

export async function runSuite(
  suite: Suite,
  cases: readonly SuiteCase[],
  options: RunSuiteOptions,
): Promise<SuiteCaseResult[]> {
  const results: SuiteCaseResult[] = [];
  for (const each of cases) {
    options.onCase(each.name);
    const result = await runCase(each, options);
    const memory = each.memory && options.memory ? await measureMemory(suite, each, options) : [];
    results.push({ ...result, memory });
  }
  return results;
}
