import { SingleBar } from 'cli-progress';
import type { RunHooks } from '../training/run.js';
import type { EpochMetrics } from '../training/run-state.js';
import { oneLine, print } from './terminal.js';

/** A bar for a run, with loss, pruned rate and time left, where the output is a terminal; and a line for each epoch. */
export function runProgress(
  title: string,
  stream: NodeJS.WritableStream = process.stderr,
): RunHooks & { stop: () => void } {
  const line = oneLine(title);
  const bar = new SingleBar({
    stream,
    format: `${line} [{bar}] {percentage} % | epoch {epoch} | cross-entropy {crossEntropy} | loss {loss} | pruned {pruned} | {eta_formatted} left`,
    hideCursor: true,
    clearOnComplete: true,
    etaBuffer: 50,
  });
  let place = { total: 1, done: 0, shown: { epoch: 1, crossEntropy: '-', loss: '-', pruned: '-' } };
  const show = () => bar.start(place.total, place.done, place.shown);
  // The cursor must come back. cli-progress can see to that, but then the program would go on.
  const interrupt = () => {
    bar.stop();
    process.kill(process.pid, 'SIGINT');
  };
  process.once('SIGINT', interrupt);
  show();
  return {
    onStep: ({ done, total, epoch, ...means }) => {
      place = { total, done, shown: { epoch: epoch + 1, ...inWords(means, 3) } };
      bar.setTotal(total);
      bar.update(done, place.shown);
    },
    onEpoch: (metrics) => {
      bar.stop();
      print(`${line}: ${epochLine(metrics)}`);
      show();
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
