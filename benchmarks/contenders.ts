// Our own loss as contenders: called from TypeScript, as users do, and bare, as the backend's C++ function.
import type { fusedBearLoss } from 'fused-bear-loss';
import { type Case, type LossName, losses, type Pass } from './cases';
import { type Contender, time } from './harness';
import type { BareLossCall, BenchAddon, Logits } from './native';
import type { Workspace } from './workspace';

export type FusedBearLoss = typeof fusedBearLoss;
/**
 * Who calls the loss and who holds the watch: our facade; JavaScript that calls a bare addon, with arguments made before;
 * or C++ within that addon, which leaves out what it costs to get from JavaScript into code that no cache holds.
 */
export type LossCall = 'TypeScript' | 'addon' | 'C++';

export function contenderName(loss: LossName, call: LossCall): string {
  return `${loss}, ${call}`;
}

// Every run of a contender sees the same logits, so every loss must be the same: otherwise something was not computed,
// or an in-place pass was not undone, and the times would mean nothing.
function createLossCheck(name: string): (loss: number) => void {
  let expected: number | undefined;
  return (loss) => {
    expected ??= loss;
    if (!Number.isFinite(loss) || loss !== expected) throw new Error(`${name}: loss ${loss} after ${expected}`);
  };
}

const bareGradients: Record<Pass, BareLossCall['gradient']> = {
  forward: 'none',
  'out of place': 'out-of-place',
  'in place': 'in-place',
};

export function bareContender(
  loss: LossName,
  call: 'addon' | 'C++',
  each: Case,
  workspace: Workspace,
  addon: BenchAddon,
): Contender {
  const name = contenderName(loss, call);
  const check = createLossCheck(name);
  const { penalty, lambda, beamWidth, pruningStatistics } = losses[loss];
  const calls = workspace.logits.map(
    (logits, buffer): BareLossCall => ({
      ...each.shape,
      dtype: each.dtype,
      threads: each.threads,
      logits,
      targets: workspace.targets,
      gradLogits: workspace.gradients[buffer],
      gradient: bareGradients[each.pass],
      penalty,
      lambda,
      beamWidth,
      pruningStatistics,
    }),
  );
  return {
    name,
    run: (buffer) => {
      let result: ReturnType<BenchAddon['runLoss']> | undefined;
      const milliseconds = time(() => {
        result = addon.runLoss(calls[buffer] as BareLossCall);
      });
      check(result?.loss as number);
      return call === 'addon' ? milliseconds : (result?.milliseconds as number);
    },
  };
}

/** The name of {@link tunedContender}. */
export function tunedName(tuning: string): string {
  return `BEAR, C++, tuning ${tuning}`;
}

/** A bare call of BEAR with another tuning, timed within C++. */
export function tunedContender(tuning: string, each: Case, workspace: Workspace, addon: BenchAddon): Contender {
  const own = addon.kernelInfo().tuning;
  const bare = bareContender('BEAR', 'C++', each, workspace, addon);
  return {
    name: tunedName(tuning),
    run: (buffer) => {
      addon.forceTuning(tuning);
      try {
        return bare.run(buffer);
      } finally {
        addon.forceTuning(own);
      }
    },
  };
}

function callOptions(loss: LossName, each: Case, vocabSize: number, gradLogits: Logits | undefined, device: 'cpu') {
  const gradient = ({ forward: false, 'out of place': true, 'in place': 'in-place' } as const)[each.pass];
  return {
    ...losses[loss],
    vocabSize,
    dtype: each.dtype,
    gradient,
    ...(each.pass === 'out of place' ? { out: { gradLogits } } : {}),
    threads: each.threads,
    device,
  };
}

const warmUpShape = { rows: 4, vocabSize: 64 };
const warmUpCalls = 3000;

// Calls the facade on a tiny problem, with options of the same form, until V8 has compiled it: as it has in a training
// loop after the first steps.
function warmUp(
  compute: FusedBearLoss,
  workspace: Workspace,
  optionsFor: (gradLogits: Logits) => ReturnType<typeof callOptions>,
): void {
  const targets = new Int32Array(warmUpShape.rows);
  const logits = (workspace.logits[0] as Logits).slice(0, warmUpShape.rows * warmUpShape.vocabSize);
  const options = optionsFor(logits.slice());
  for (let call = 0; call < warmUpCalls; call++) compute(logits, targets, options);
}

export function typescriptContender(
  loss: LossName,
  each: Case,
  workspace: Workspace,
  compute: FusedBearLoss,
  device: 'cpu',
): Contender {
  const name = contenderName(loss, 'TypeScript');
  const check = createLossCheck(name);
  // A training loop makes its options once, too.
  const options = workspace.gradients.map((gradLogits) =>
    callOptions(loss, each, each.shape.vocabSize, gradLogits, device),
  );
  warmUp(compute, workspace, (gradLogits) => callOptions(loss, each, warmUpShape.vocabSize, gradLogits, device));
  return {
    name,
    run: (buffer) => {
      const logits = workspace.logits[buffer] as Logits;
      const bufferOptions = options[buffer];
      let result: ReturnType<FusedBearLoss> | undefined;
      const milliseconds = time(() => {
        result = compute(logits, workspace.targets, bufferOptions);
      });
      check(result?.loss as number);
      return milliseconds;
    },
  };
}
