import { SingleBar } from 'cli-progress';
import type { RunHooks } from '../training/run.js';
import type { EpochMetrics } from '../training/run-state.js';
import { oneLine, print } from './terminal.js';

/** A bar for a run, with what it is at and the time left, where the output is a terminal; and a line for each epoch. */
export function runProgress(
  title: string,
  stream: NodeJS.WritableStream = process.stderr,
): RunHooks & { stop: () => void } {
  const line = oneLine(title);
  const bar = new SingleBar({
    stream,
    format: `${line} [{bar}] {percentage} % | {what} | {eta_formatted} left`,
    hideCursor: true,
    clearOnComplete: true,
    etaBuffer: 50,
  });
  let phase = 'training';
  // A new phase is a new bar: its time left does not follow from that of the one before.
  const show = (now: string, done: number, total: number, what: string) => {
    if (now !== phase) {
      bar.stop();
      phase = now;
      bar.start(total, done, { what });
    } else {
      bar.setTotal(total);
      bar.update(done, { what });
    }
  };
  // The cursor must come back. cli-progress can see to that, but then the program would go on.
  const interrupt = () => {
    bar.stop();
    process.kill(process.pid, 'SIGINT');
  };
  process.once('SIGINT', interrupt);
  bar.start(1, 0, { what: 'starting' });
  return {
    onStep: ({ done, total, epoch, ...means }) => {
      const { crossEntropy, loss, pruned } = inWords(means, 3);
      const what = `epoch ${epoch + 1} | cross-entropy ${crossEntropy} | loss ${loss} | pruned ${pruned}`;
      show('training', done, total, what);
    },
    onEvaluation: ({ part, done, total }) => show(part, done, total, `${part} rows`),
    onEpoch: (metrics) => {
      bar.stop();
      print(`${line}: ${epochLine(metrics)}`);
      // Whatever comes next begins a bar.
      phase = '';
    },
    stop: () => {
      process.removeListener('SIGINT', interrupt);
      bar.stop();
    },
  };
}

/** Cross-entropy apart: a loss with the published penalty has no lower bound, and falls while nothing gets better. */
function inWords(
  { loss, crossEntropy, prunedRate }: Pick<EpochMetrics, 'loss' | 'crossEntropy' | 'prunedRate'>,
  digits: number,
) {
  return {
    crossEntropy: crossEntropy.toFixed(digits),
    loss: loss.toFixed(digits),
    pruned: prunedRate.toFixed(digits),
  };
}

function epochLine({ epoch, validationNdcg, stepMilliseconds, lossMilliseconds, ...means }: EpochMetrics): string {
  const { crossEntropy, loss, pruned } = inWords(means, 4);
  const share = ((100 * lossMilliseconds) / stepMilliseconds).toFixed(1);
  return (
    `epoch ${epoch}, cross-entropy ${crossEntropy}, loss ${loss}, pruned ${pruned}, ` +
    `validation NDCG@10 ${validationNdcg.toFixed(4)}, ` +
    `${(stepMilliseconds / 1000).toFixed(1)} s, ${share} % of it the loss`
  );
}
