// Runs the cases, one workspace (shape and dtype) after the other.
import { type Case, caseName, type LossName, losses } from './cases';
import { bareContender, type FusedBearLoss, tunedContender, typescriptContender } from './contenders';
import { floorContenders } from './floors';
import { type Contender, measure, summarize, time } from './harness';
import { lastLevelCacheBytes, type Machine } from './machine';
import type { BenchAddon } from './native';
import { gradientError, plainBearLoss } from './peers/plain-javascript';
import type { AccuracyResult, CaseResult, PeerResult, Results } from './results';
import { bufferCount, createCacheEviction, createWorkspace, type Workspace } from './workspace';

export interface RunOptions {
  addon: BenchAddon;
  /** Undefined: only the bare C++ calls. */
  compute: FusedBearLoss | undefined;
  device: 'cpu';
  machine: Machine;
  secondsPerCase: number;
  fewestRounds: number;
  mostRounds: number;
  /** More contenders: bare calls with these tunings. */
  tunings: string[];
  peerRuns: number;
  /** Before each case; a bar's label. */
  onCase(name: string): void;
}

function contendersOf(each: Case, workspace: Workspace, { addon, compute, device, tunings }: RunOptions): Contender[] {
  const names = Object.keys(losses) as LossName[];
  const others = [
    ...floorContenders(each, workspace, addon),
    ...tunings.map((tuning) => tunedContender(tuning, each, workspace, addon)),
  ];
  if (!compute) return [...others, ...names.map((loss) => bareContender(loss, 'C++', each, workspace, addon))];
  return [
    ...others,
    bareContender('BEAR', 'C++', each, workspace, addon),
    bareContender('BEAR', 'addon', each, workspace, addon),
    ...names.map((loss) => typescriptContender(loss, each, workspace, compute, device)),
  ];
}

async function runCase(each: Case, workspace: Workspace, evict: () => void, options: RunOptions): Promise<CaseResult> {
  // The case before may have been an in-place one.
  for (let buffer = 0; buffer < bufferCount; buffer++) workspace.restore(buffer);
  const measurements = await measure(contendersOf(each, workspace, options), {
    seconds: options.secondsPerCase,
    fewestRounds: options.fewestRounds,
    mostRounds: options.mostRounds,
    bufferCount,
    prepare: (buffer) => {
      if (each.pass === 'in place') workspace.restore(buffer);
      evict();
    },
  });
  return { name: caseName(each), ...each, measurements };
}

// Enough for a maximum over some 10^5 logits; the whole would take the plain loops a second.
const accuracyRows = 8;

interface Comparison {
  accuracy: AccuracyResult;
  peer: PeerResult;
}

// The plain loops beside our kernel: how far the gradient is from float64, and how long plain JavaScript takes.
function comparePlainJavaScript({ shape, ...rest }: Case, workspace: Workspace, options: RunOptions): Comparison {
  const each: Case = { shape, ...rest, pass: 'out of place' };
  const [logits, gradient, peerGradient] = [workspace.logits[0], workspace.gradients[0], workspace.gradients[1]] as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  workspace.restore(0);
  const contenders = contendersOf(each, workspace, options);
  contenders.find(({ name }) => name.startsWith('BEAR'))?.run(0);
  const samples = Array.from({ length: options.peerRuns }, () =>
    time(() => plainBearLoss(logits, workspace.targets, shape, peerGradient)),
  );
  const rows = Math.min(accuracyRows, shape.rows);
  return {
    accuracy: { shape, rows, gradientError: gradientError(gradient, logits, workspace.targets, shape, rows) },
    peer: { shape, measurement: summarize('plain JavaScript', samples) },
  };
}

export async function runCases(
  cases: Case[],
  options: RunOptions,
): Promise<Pick<Results, 'cases' | 'peers' | 'accuracy'>> {
  const { addon, machine } = options;
  const evict = createCacheEviction(lastLevelCacheBytes(machine), addon, machine.threads);
  const results: CaseResult[] = [];
  const comparisons: Comparison[] = [];
  let workspace: Workspace | undefined;
  for (const each of cases) {
    options.onCase(caseName(each));
    if (workspace?.shape !== each.shape || workspace.dtype !== each.dtype) {
      workspace = createWorkspace(each.shape, each.dtype, addon, machine.threads);
      if (each.dtype === 'float32' && options.peerRuns > 0) {
        comparisons.push(comparePlainJavaScript(each, workspace, options));
      }
    }
    results.push(await runCase(each, workspace, evict, options));
  }
  return {
    cases: results,
    peers: comparisons.map(({ peer }) => peer),
    accuracy: comparisons.map(({ accuracy }) => accuracy),
  };
}
