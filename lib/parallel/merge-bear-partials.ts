import { allocate } from '../loss/arrays.js';
import { bearError } from '../options/errors.js';
import type { BearPartials, MergedRows } from './messages.js';
import { readPartOptions, type VocabularyPartOptions } from './part-options.js';
import { assertShared, type NamedPartials, readParts } from './read-partials.js';
import { ROW_FLAGS } from './row-flags.js';
import { exponential, type LogitScale, scaledLogit } from './scaled-logit.js';

/**
 * Puts the parts of a vocabulary together. The parts may come in any order; every process that merges the same parts gets
 * the same bits, whatever its processor and its version of Node.
 *
 * @param parts what {@link bearPartials} returned for each part; together they have every token once.
 * @param options those of the parts; `firstToken` is not looked at.
 * @throws TypeError or RangeError: `ERR_BEAR_PARTS_COVERAGE` where tokens are missing or in two parts,
 *   `ERR_BEAR_PARTS_MISMATCH` where the parts are of different calls or options, `ERR_BEAR_PARTIALS` where the numbers of
 *   a part contradict one another.
 *
 * @example
 * const merged = mergeBearPartials(await exchange(partials), { vocabSize: 32000, beamWidth: 10 });
 */
export function mergeBearPartials(
  parts: readonly BearPartials[],
  options: Omit<VocabularyPartOptions, 'firstToken'> & { firstToken?: number },
): MergedRows {
  const shared = readPartOptions(options);
  const read = readParts(parts);
  const first = read[0] as NamedPartials;
  assertShared(first.partials, first.name, shared, 'the options');
  const { rows } = first.partials;
  const sums = shared.smoothed ? rows : 0;
  const merged: MergedRows = {
    version: 1,
    rows,
    vocabSize: shared.vocabSize,
    beamWidth: shared.beamWidth,
    temperature: shared.temperature,
    softcap: shared.softcap,
    smoothed: shared.smoothed,
    fingerprint: first.partials.fingerprint,
    maxLogit: allocate(Float32Array, rows, 'maxLogit'),
    sumOthers: allocate(Float64Array, rows, 'sumOthers'),
    targetLogit: allocate(Float32Array, rows, 'targetLogit'),
    thresholdLogit: allocate(Float32Array, rows, 'thresholdLogit'),
    thresholdToken: allocate(Int32Array, rows, 'thresholdToken'),
    allowedCount: allocate(Float64Array, sums, 'allowedCount'),
    sumDifferences: allocate(Float64Array, sums, 'sumDifferences'),
    flags: allocate(Uint8Array, rows, 'flags'),
  };
  const cursors = new Int32Array(read.length);
  for (let row = 0; row < rows; row++) mergeRow(read, row, merged, cursors);
  return merged;
}

// The arrays have been found long enough for every index here.

function mergeRow(parts: readonly NamedPartials[], row: number, merged: MergedRows, cursors: Int32Array): void {
  const flags = mergeFlags(parts, row, merged);
  merged.thresholdLogit[row] = Number.NEGATIVE_INFINITY;
  merged.thresholdToken[row] = -1;
  merged.flags[row] = flags;
  if (flags & (ROW_FLAGS.ignored | ROW_FLAGS.poisoned)) {
    merged.maxLogit[row] = Number.NEGATIVE_INFINITY;
    return;
  }
  mergeSums(parts, row, merged);
  findThreshold(parts, row, merged, cursors);
}

function mergeFlags(parts: readonly NamedPartials[], row: number, merged: MergedRows): number {
  let union = 0;
  let ignored = 0;
  let owners = 0;
  let allowed = 0;
  for (let p = 0; p < parts.length; p++) {
    const { partials } = parts[p] as NamedPartials;
    const flags = partials.flags[row] as number;
    union |= flags & ROW_FLAGS.poisoned;
    if (flags & ROW_FLAGS.ignored) ignored++;
    if (flags & ROW_FLAGS.ownsTarget) {
      owners++;
      merged.targetLogit[row] = partials.targetLogit[row] as number;
    }
    allowed += partials.counts[row] as number;
  }
  if (ignored === parts.length && owners === 0) return ROW_FLAGS.ignored;
  if (ignored !== 0 || owners !== 1) {
    throw bearError('ERR_BEAR_PARTIALS', {
      argument: 'parts',
      expected: 'one part that has the target, or a target that all of them ignore',
      received: `${owners} that have it, ${ignored} that ignore it`,
      row,
    });
  }
  if (allowed === 0) union |= ROW_FLAGS.masked;
  if (allowed > 1) union |= ROW_FLAGS.severalAllowed;
  return union;
}

function mergeSums(parts: readonly NamedPartials[], row: number, merged: MergedRows): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let p = 0; p < parts.length; p++) {
    const logit = (parts[p] as NamedPartials).partials.maxLogit[row] as number;
    if (logit > largest) largest = logit;
  }
  merged.maxLogit[row] = largest;
  const scale: LogitScale = merged;
  const reference = scaledLogit(largest, scale);
  let sum = 0;
  let count = 0;
  let differences = 0;
  for (let p = 0; p < parts.length; p++) {
    const { partials } = parts[p] as NamedPartials;
    const logit = partials.maxLogit[row] as number;
    if (logit === Number.NEGATIVE_INFINITY) continue;
    const distance = scaledLogit(logit, scale) - reference;
    sum += (partials.sumOthers[row] as number) * exponential(distance);
    if (!merged.smoothed) continue;
    const tokens = partials.counts[row] as number;
    count += tokens;
    differences += (partials.sumDifferences[row] as number) + tokens * distance;
  }
  merged.sumOthers[row] = sum;
  if (!merged.smoothed) return;
  merged.allowedCount[row] = count;
  merged.sumDifferences[row] = differences;
}

/** Takes the candidates in order until the B-th. The parts are in the order of their tokens, so that the first of equal ones has the lowest id. */
function findThreshold(parts: readonly NamedPartials[], row: number, merged: MergedRows, cursors: Int32Array): void {
  cursors.fill(0);
  for (let taken = 0; taken < merged.beamWidth; taken++) {
    let best = -1;
    let bestLogit = Number.NEGATIVE_INFINITY;
    for (let p = 0; p < parts.length; p++) {
      const { partials, width } = parts[p] as NamedPartials;
      const cursor = cursors[p] as number;
      const logit = cursor < width ? (partials.candidateLogits[row * width + cursor] as number) : bestLogit;
      if (logit > bestLogit) {
        best = p;
        bestLogit = logit;
      }
    }
    if (best < 0) return;
    const { partials, width } = parts[best] as NamedPartials;
    merged.thresholdLogit[row] = bestLogit;
    merged.thresholdToken[row] = partials.candidateTokens[row * width + (cursors[best] as number)] as number;
    cursors[best] = (cursors[best] as number) + 1;
  }
}
