// The parts that a merge is given, which may have come over a network: every member is read once and looked at.
import { assertLength } from '../loss/arrays.js';
import { describe } from '../options/describe.js';
import { type BearErrorDetails, bearError, refuse } from '../options/errors.js';
import { forEachElement, isArray, readMembers } from '../options/reading.js';
import { isArrayOf } from '../options/typed-arrays.js';
import type { BearPartials, MergedRows } from './messages.js';
import type { SharedOptions } from './part-options.js';
import { ROW_FLAGS } from './row-flags.js';

/** The typed arrays that a message has, beside numbers. */
type ArrayType = 'Float32Array' | 'Float64Array' | 'Int32Array' | 'Uint8Array';

type Fields<Message> = {
  [Name in keyof Message]-?: 'number' | 'boolean' | ArrayType;
};

/** What partials and merged rows both have. */
const COMMON_FIELDS = {
  version: 'number',
  rows: 'number',
  vocabSize: 'number',
  beamWidth: 'number',
  temperature: 'number',
  softcap: 'number',
  smoothed: 'boolean',
  fingerprint: 'number',
  maxLogit: 'Float32Array',
  sumOthers: 'Float64Array',
  targetLogit: 'Float32Array',
  sumDifferences: 'Float64Array',
  flags: 'Uint8Array',
} as const;

const PARTIALS_FIELDS: Fields<BearPartials> = {
  ...COMMON_FIELDS,
  firstToken: 'number',
  tokens: 'number',
  counts: 'Int32Array',
  candidateLogits: 'Float32Array',
  candidateTokens: 'Int32Array',
};

export const MERGED_FIELDS: Fields<MergedRows> = {
  ...COMMON_FIELDS,
  thresholdLogit: 'Float32Array',
  thresholdToken: 'Int32Array',
  allowedCount: 'Float64Array',
};

/** An object of numbers and typed arrays, with its members read once and of the right types. */
export function readMessage<Message extends { version: 1 }>(
  value: unknown,
  argument: string,
  what: string,
  fields: Fields<Message>,
): Message {
  const names = Object.keys(fields) as (keyof Message & string)[];
  const message = readMembers(value, argument, what, new Set(names));
  for (const name of names) {
    const type = fields[name];
    const member = message[name];
    const isRight = type === 'number' || type === 'boolean' ? typeof member === type : isArrayOf(member, type);
    if (!isRight) refuse('ERR_BEAR_ARGUMENT_TYPE', `${argument}.${name}`, `a ${type}, as ${what} has it`, member);
  }
  if (message.version !== 1) mismatch(`${argument}.version`, 'version 1 of the layout', message.version);
  return message as unknown as Message;
}

function mismatch(argument: string, expected: string, received: unknown): never {
  throw bearError('ERR_BEAR_PARTS_MISMATCH', { argument, expected, received: describe(received) });
}

const SHARED = ['vocabSize', 'beamWidth', 'temperature', 'softcap', 'smoothed'] as const;

/** Throws unless a message was made with the options that `others` has. */
export function assertShared(message: SharedOptions, argument: string, other: SharedOptions, others: string): void {
  for (const name of SHARED) {
    if (message[name] === other[name]) continue;
    mismatch(`${argument}.${name}`, `${describe(other[name])}, as ${others} say`, message[name]);
  }
}

/** Partials that have been found sound. */
export interface NamedPartials {
  name: string;
  partials: BearPartials;
  /** Candidates of a row. */
  width: number;
}

/** The parts in the order of their tokens. */
export function readParts(parts: unknown): NamedPartials[] {
  const what = 'an array of what bearPartials() returns';
  if (!isArray(parts)) refuse('ERR_BEAR_ARGUMENT_TYPE', 'parts', what, parts);
  const read: NamedPartials[] = [];
  forEachElement(parts, 'parts', 'partials', (part, index) => read.push(readPart(part, `parts[${index}]`)));
  const [first] = read;
  if (first === undefined) throw coverageError('none');
  for (const { name, partials } of read) {
    assertShared(partials, name, first.partials, first.name);
    for (const same of ['rows', 'fingerprint'] as const) {
      if (partials[same] !== first.partials[same]) {
        mismatch(`${name}.${same}`, `${first.partials[same]}, as ${first.name} has it`, partials[same]);
      }
    }
  }
  read.sort((a, b) => a.partials.firstToken - b.partials.firstToken);
  assertCovered(read, first.partials.vocabSize);
  for (const part of read) {
    for (let row = 0; row < part.partials.rows; row++) checkRow(part, row);
  }
  return read;
}

function readPart(value: unknown, name: string): NamedPartials {
  const partials = readMessage(value, name, 'what bearPartials() returns', PARTIALS_FIELDS);
  const { rows, tokens, firstToken, vocabSize, beamWidth, smoothed } = partials;
  for (const [field, least] of [
    ['rows', 0],
    ['firstToken', 0],
    ['tokens', 1],
    ['vocabSize', 1],
    ['beamWidth', 1],
  ] as const) {
    if (Number.isSafeInteger(partials[field]) && partials[field] >= least) continue;
    refuse('ERR_BEAR_PARTIALS', `${name}.${field}`, `an integer from ${least} on`, partials[field]);
  }
  if (firstToken + tokens > vocabSize) throw coverageError(`${name} beyond its ${vocabSize} tokens`);
  const width = Math.min(beamWidth, tokens);
  for (const field of ['maxLogit', 'sumOthers', 'targetLogit', 'counts', 'flags'] as const) {
    assertLength(partials[field], rows, 'N', `${name}.${field}`);
  }
  assertLength(partials.sumDifferences, smoothed ? rows : 0, smoothed ? 'N' : 'none', `${name}.sumDifferences`);
  assertLength(partials.candidateLogits, rows * width, 'N * min(B, tokens)', `${name}.candidateLogits`);
  assertLength(partials.candidateTokens, rows * width, 'N * min(B, tokens)', `${name}.candidateTokens`);
  return { name, partials, width };
}

/** Of parts in the order of their tokens. */
function assertCovered(parts: readonly NamedPartials[], vocabSize: number): void {
  let next = 0;
  for (const { name, partials } of parts) {
    const { firstToken, tokens } = partials;
    if (firstToken > next) throw coverageError(`none with the tokens from ${next} to ${firstToken - 1}`);
    if (firstToken < next) throw coverageError(`${name}, whose token ${firstToken} another part has too`);
    next += tokens;
  }
  if (next < vocabSize) throw coverageError(`none with the tokens from ${next} to ${vocabSize - 1}`);
}

function coverageError(received: string): Error {
  return bearError('ERR_BEAR_PARTS_COVERAGE', {
    argument: 'parts',
    expected: 'parts that together have every token of the vocabulary once',
    received,
  });
}

/** Throws where the numbers of a row contradict one another. */
function checkRow({ name, partials, width }: NamedPartials, row: number): void {
  const details = faultOfCounts(partials, row, width) ?? faultOfCandidates(partials, row, width);
  if (details === undefined) return;
  throw bearError('ERR_BEAR_PARTIALS', { ...details, argument: `${name}.${details.argument}`, row });
}

function faultOfCounts(partials: BearPartials, row: number, width: number): BearErrorDetails | undefined {
  const { smoothed, tokens } = partials;
  const count = partials.counts[row] as number;
  const most = smoothed ? tokens : Math.min(Math.max(width, 2), tokens);
  if (count < 0 || count > most) {
    return { argument: 'counts', expected: `an integer from 0 to ${most}`, received: String(count) };
  }
  const sum = partials.sumOthers[row] as number;
  if (!(sum >= 0) || sum === Number.POSITIVE_INFINITY) {
    return { argument: 'sumOthers', expected: 'a finite number from 0 on', received: String(sum) };
  }
  const isPoisoned = ((partials.flags[row] as number) & ROW_FLAGS.poisoned) !== 0;
  const target = partials.targetLogit[row] as number;
  if (!isPoisoned && !(target < Number.POSITIVE_INFINITY)) {
    return { argument: 'targetLogit', expected: 'a number below infinity', received: String(target) };
  }
  return undefined;
}

function faultOfCandidates(partials: BearPartials, row: number, width: number): BearErrorDetails | undefined {
  const { candidateLogits, candidateTokens, firstToken, tokens } = partials;
  const count = Math.min(partials.counts[row] as number, width);
  const begin = row * width;
  let last = Number.POSITIVE_INFINITY;
  let lastToken = -1;
  for (let index = begin; index < begin + count; index++) {
    const logit = candidateLogits[index] as number;
    const token = candidateTokens[index] as number;
    const isInOrder = logit < last || (logit === last && token > lastToken);
    const isHere = token >= firstToken && token < firstToken + tokens;
    if (!(isInOrder && isHere && logit > Number.NEGATIVE_INFINITY && logit < Number.POSITIVE_INFINITY)) {
      const expected = `${count} of the part's tokens, by falling logit and then by rising id`;
      const received = `token ${token} of logit ${logit} at place ${index - begin}`;
      return { argument: 'candidateTokens', expected, received };
    }
    last = logit;
    lastToken = token;
  }
  for (let index = begin + count; index < begin + width; index++) {
    if (candidateLogits[index] === Number.NEGATIVE_INFINITY && candidateTokens[index] === -1) continue;
    return {
      argument: 'candidateTokens',
      expected: `-1 past the ${count} candidates`,
      received: `${candidateTokens[index]}`,
    };
  }
  const largest = count > 0 ? candidateLogits[begin] : Number.NEGATIVE_INFINITY;
  if (partials.maxLogit[row] === largest) return undefined;
  return {
    argument: 'maxLogit',
    expected: `${largest}, as the first candidate has`,
    received: `${partials.maxLogit[row]}`,
  };
}
