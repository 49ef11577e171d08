import { COUNT, FINITE, FROM_ZERO, POSITIVE, WHOLE } from '../ranges.js';
import type { Evaluation } from './evaluation.js';
import type { MarginHistogram } from './margins.js';
import { bestEpoch, isFinished, metricsShape, type RunState, runHeadFields } from './run-state.js';
import { listOf, numberIn, objectOf, type Shape, ShapeError, unexpected } from './shape.js';

/** What a finished run found. */
export interface RunResult extends RunState {
  bestEpoch: number;
  parameterCount: number;
  /** Of the best epoch's parameters. */
  validation: Evaluation;
  test: Evaluation;
  /** Of the validation rows, before the first step and by the best epoch's parameters. */
  marginsBefore: MarginHistogram;
  marginsAfter: MarginHistogram;
}

const rank = numberIn({
  isValid: (value) => Number.isSafeInteger(value) && value >= -1,
  words: 'a whole number of at least -1',
});
const whole = numberIn(WHOLE);

const evaluationFields = objectOf<Omit<Evaluation, 'exactMilliseconds'>, { exactMilliseconds: number }>(
  {
    beamRanks: listOf(rank),
    exactRows: listOf(whole),
    exactRanks: listOf(rank),
    droppedAt: listOf(rank),
    steps: listOf(whole),
    searchMilliseconds: numberIn(FROM_ZERO),
  },
  { exactMilliseconds: numberIn(FROM_ZERO) },
);

const evaluationShape: Shape<Evaluation> = (value, place) => {
  const {
    searchMilliseconds: _,
    exactMilliseconds: __,
    exactRows,
    exactRanks,
    ...lists
  } = evaluationFields(value, place);
  const { length } = lists.beamRanks;
  if (exactRanks.length !== exactRows.length) {
    throw new ShapeError(`${place}.exactRanks: expected ${exactRows.length} rows, got ${exactRanks.length}`);
  }
  exactRows.forEach((row, index) => {
    const before = exactRows[index - 1] ?? -1;
    if (row <= before || row >= length) unexpected(`${place}.exactRows[${index}]`, 'ascending numbers of rows', row);
  });
  for (const [name, list] of Object.entries(lists)) {
    if (list.length !== length) throw new ShapeError(`${place}.${name}: expected ${length} rows, got ${list.length}`);
  }
  return value as Evaluation;
};

const marginsShape = objectOf<MarginHistogram>({
  binWidth: numberIn(POSITIVE),
  from: numberIn(FINITE),
  counts: listOf(listOf(whole)),
  decisions: listOf(whole),
  pruned: listOf(whole),
});

const resultShape = objectOf<RunResult>({
  ...runHeadFields,
  metrics: metricsShape,
  bestEpoch: numberIn(COUNT),
  parameterCount: numberIn(COUNT),
  validation: evaluationShape,
  test: evaluationShape,
  marginsBefore: marginsShape,
  marginsAfter: marginsShape,
});

/** @throws ShapeError for what no run would write */
export function parseRunResult(content: string): RunResult {
  const result = resultShape(JSON.parse(content), '');
  if (!isFinished(result)) throw new ShapeError('metrics: the run is not finished');
  const best = bestEpoch(result.metrics);
  return result.bestEpoch === best ? result : unexpected('bestEpoch', `${best}`, result.bestEpoch);
}
