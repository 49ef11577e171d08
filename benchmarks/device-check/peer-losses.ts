// Whether the peers computed what we did: the same mean loss of the same inputs.
import { ofKind } from './records';
import type { StepResult } from './results';

/** The step of the peers, judged by the losses of the step that timed ours; where that did not run, a record says so. */
export function judgePeers(peers: StepResult, ours: StepResult | undefined): StepResult {
  if (peers.status === 'skipped') return peers;
  const timed = ofKind(ours?.records ?? [], 'time');
  if (timed.length === 0) {
    const skipped = {
      kind: 'skipped',
      name: 'losses of the peers beside ours',
      reason: 'ours were not timed',
    } as const;
    return { ...peers, records: [...peers.records, skipped] };
  }
  const differing = ofKind(peers.records, 'time').flatMap((peer) => {
    const mine = timed.find(
      ({ dtype, rows, vocabSize, loss }) =>
        dtype === peer.dtype && rows === peer.rows && vocabSize === peer.vocabSize && loss === peer.loss,
    );
    if (mine === undefined) return [];
    const wanted = mine.value ?? Number.NaN;
    const apart = Math.abs((peer.value ?? Number.NaN) - wanted) / Math.abs(wanted);
    return apart <= (peer.tolerance ?? 0) ? [] : [`${peer.contender}: a loss of ${peer.value}, ours is ${mine.value}`];
  });
  if (differing.length === 0) return peers;
  return { ...peers, status: 'wrong', reason: differing[0] as string };
}
