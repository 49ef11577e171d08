import { SingleBar } from 'cli-progress';
import type { EpochMetrics, RunHooks } from '../recommender/run.js';

/** A bar for a run, with loss, pruned rate and time left, and a line for each epoch. */
export function runProgress(title: string): RunHooks & { stop: () => void } {
  const bar = new SingleBar({
    format: `${title} [{bar}] {percentage} % | epoch {epoch} | loss {loss} | pruned {pruned} | {eta_formatted} left`,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(1, 0, { epoch: 1, loss: '-', pruned: '-' });
  return {
    onStep: ({ done, total, epoch, loss, prunedRate }) => {
      bar.setTotal(total);
      bar.update(done, { epoch: epoch + 1, loss: loss.toFixed(3), pruned: prunedRate.toFixed(3) });
    },
    onEpoch: (metrics) => console.log(`${title}: ${epochLine(metrics)}`),
    stop: () => bar.stop(),
  };
}

function epochLine({
  epoch,
  loss,
  prunedRate,
  validationNdcg,
  stepMilliseconds,
  lossMilliseconds,
}: EpochMetrics): string {
  const share = ((100 * lossMilliseconds) / stepMilliseconds).toFixed(1);
  return (
    `epoch ${epoch}, loss ${loss.toFixed(4)}, pruned ${prunedRate.toFixed(4)}, validation NDCG@10 ${validationNdcg.toFixed(4)}, ` +
    `${(stepMilliseconds / 1000).toFixed(1)} s, ${share} % of it the loss`
  );
}
