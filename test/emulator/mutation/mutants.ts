/**
 * The mutants of a source file. Of a kernel: each barrier, each collective's mask and each bound, removed or moved by one. Of
 * host code: each statement that orders, waits, gives back or tells removed, each condition decided beforehand or reversed.
 */

export interface Mutant {
  /** Path from the repository's root. */
  file: string;
  /** 1 for the first. */
  line: number;
  /** The line as it is, without indentation, and how it reads in the mutant. */
  before: string;
  after: string;
  /** Of several equal mutants of equal lines, which one this is: 0 for the first. */
  occurrence: number;
}

/** What a line becomes, one string for each mutant. */
type Rule = (line: string) => string[];

const barrierRemoved: Rule = (line) => [
  ...replacements(
    line,
    /\b(?:__syncthreads|__syncwarp|row_barrier)\([^;]*?\);|\bFBL_CLUSTER_(?:BARRIER|LEAVE|WAIT)\(\);/g,
    () => ';',
  ),
  ...replacements(line, /\b__syncthreads_(?:count|and|or)\(/g, () => '('),
];

const maskHalved: Rule = (line) => replacements(line, /\bkAllLanes\b(?=,|\))/g, () => '(kAllLanes >> 16)');

/** Comparisons of logits and probabilities are the maths of the loss, which the contract is for, and not bounds. */
const ofNumbers = /logit|infinity|largest|limit_|bound|softcap|smoothing|temperature|normalizer|x\[|equal_count/;
/** Loops over a thread's registers: their bounds are constants that the compiler checks against the arrays. */
const overRegisters = /^(?:e|u|b|copy|distance) \S+ |^i \S+ 4;/;
const operators: Record<string, string> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>' };

const boundMoved: Rule = (line) =>
  replacements(line, /(\S+) (<|<=|>|>=) (\S+)/g, (match, left, operator, right) =>
    overRegisters.test(match) || ofNumbers.test(left as string) || ofNumbers.test(right as string)
      ? match
      : `${left} ${operators[operator as string]} ${right}`,
  );

const boundRemoved: Rule = (line) => [
  ...replacements(line, / && [^&|;?{}]+? (?:<|<=|>|>=) [^&|;?(){}]+(?=\)| &&|;)/g, (match) =>
    ofNumbers.test(match) ? match : '',
  ),
  ...conditionsForced(line),
];

/** `if (a < b)` as `if (true)`, where no logits are compared. */
function conditionsForced(line: string): string[] {
  const begin = /\bif \(/.exec(line);
  if (begin === null) return [];
  const open = begin.index + begin[0].length - 1;
  const close = closingParenthesis(line, open);
  const condition = line.slice(open + 1, close);
  if (close < 0 || !/ (?:<|<=|>|>=) /.test(condition) || ofNumbers.test(condition)) return [];
  return [`${line.slice(0, open)}(true)${line.slice(close + 1)}`];
}

/** `min(a, b)` as `a` and as `b`. */
const clampRemoved: Rule = (line) => {
  const mutated: string[] = [];
  for (const call of line.matchAll(/(?<![\w:])(?:min|max)\(/g)) {
    const open = (call.index as number) + call[0].length - 1;
    const close = closingParenthesis(line, open);
    const comma = close < 0 ? -1 : topLevelComma(line, open, close);
    if (comma < 0) continue;
    for (const kept of [line.slice(open + 1, comma), line.slice(comma + 1, close).trim()]) {
      mutated.push(`${line.slice(0, call.index)}(${kept})${line.slice(close + 1)}`);
    }
  }
  return mutated;
};

const kernelRules: readonly Rule[] = [barrierRemoved, maskHalved, boundMoved, boundRemoved, clampRemoved];

/** Statements of one line whose effect is order, a wait, or memory and counts that are kept right. */
const statement =
  /^(?!return|throw|delete|const|auto|using)(?:\S+ = )?(?:if \([^;]*\) )?[\w:>().[\]*&-]*\b(?:wait_for|wait|touch|touch_all|drain|ended|done|synchronize|announce|free_block|free_cached|release_cached|release_unused_events|release|erase|clear|reset|push_back|collect|finish_sweep|ignore|check|replace_last_uses|cudaGetLastError)\(.*\);$/;

const statementRemoved: Rule = (line) =>
  statement.test(line) ? [';'] : /^(?:\+\+|--)[\w.>-]+;$|^[\w.>-]+ [+-]= .*;$/.test(line) ? [';'] : [];

/** `for (...) statement;` of one line, without the statement. */
const loopEmptied: Rule = (line) => {
  const match = /^(for \(.*?\)) (?=[^{]*;$)/.exec(line);
  return match === null ? [] : [`${match[1]} {}`];
};

const conditionDecided: Rule = (line) => {
  const begin = /^(?:\} else )?if \(/.exec(line);
  if (begin === null) return [];
  const open = begin[0].length - 1;
  const close = closingParenthesis(line, open);
  if (close < 0 || line.includes('found = ') || line.includes('known = ')) return [];
  const rest = line.slice(close + 1);
  return ['(true)', '(false)'].map((decided) => `${line.slice(0, open)}${decided}${rest}`);
};

const comparisonReversed: Rule = (line) => [
  ...replacements(line, / == /g, () => ' != '),
  ...replacements(line, / != /g, () => ' == '),
  ...replacements(line, / && /g, () => ' || '),
  ...replacements(line, / \|\| /g, () => ' && '),
];

const resultReversed: Rule = (line) => [
  ...replacements(line, /\breturn true;/g, () => 'return false;'),
  ...replacements(line, /\breturn false;/g, () => 'return true;'),
];

const hostRules: readonly Rule[] = [
  statementRemoved,
  loopEmptied,
  conditionDecided,
  comparisonReversed,
  resultReversed,
  boundMoved,
  clampRemoved,
];

export const isHostCode = (file: string): boolean => file.endsWith('.cc');

/** All mutants of a file, in the order of its lines. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const seen = new Map<string, number>();
  const mutants: Mutant[] = [];
  let emulated = false; // lines that no device has
  source.split('\n').forEach((text, index) => {
    const before = text.trim();
    if (/^#(if|else|elif|endif)/.test(before)) emulated = before === '#if defined(FBL_SIMT_EMULATION)';
    if (emulated) return;
    if (/^(\/\/|#|static_assert|template|constexpr|FBL_DEVICE .*\{$)/.test(before)) return;
    const rules = isHostCode(file) ? hostRules : kernelRules;
    for (const after of new Set(rules.flatMap((rule) => rule(before)))) {
      const key = `${before}\n${after}`;
      const occurrence = seen.get(key) ?? 0;
      seen.set(key, occurrence + 1);
      mutants.push({ file, line: index + 1, before, after, occurrence });
    }
  });
  return mutants;
}

/** What a mutant and an entry of the list of survivors are told by: the line and not its number, which other changes move. */
export function nameOf({ file, before, after, occurrence }: Omit<Mutant, 'line'>): string {
  return `${file}: ${before}  ->  ${after}${occurrence > 0 ? `  (number ${occurrence + 1})` : ''}`;
}

/** The source with one line replaced. */
export function mutatedSource(source: string, mutant: Mutant): string {
  const lines = source.split('\n');
  lines[mutant.line - 1] = mutant.after;
  return lines.join('\n');
}

/** The line with each match replaced in turn; a match that stays as it is makes no mutant. Comments do not count. */
function replacements(
  line: string,
  pattern: RegExp,
  replace: (match: string, ...groups: (string | undefined)[]) => string,
): string[] {
  const comment = line.indexOf('//');
  return [...line.matchAll(pattern)]
    .filter((match) => comment < 0 || match.index < comment)
    .map((match) => {
      const [whole, ...groups] = match;
      return line.slice(0, match.index) + replace(whole, ...groups) + line.slice(match.index + whole.length);
    })
    .filter((mutated) => mutated !== line);
}

function closingParenthesis(line: string, open: number): number {
  let depth = 0;
  for (let i = open; i < line.length; ++i) {
    if (line[i] === '(') ++depth;
    if (line[i] === ')' && --depth === 0) return i;
  }
  return -1;
}

function topLevelComma(line: string, open: number, close: number): number {
  let depth = 0;
  for (let i = open; i < close; ++i) {
    if ('(<['.includes(line[i] as string)) ++depth;
    if (')>]'.includes(line[i] as string)) --depth;
    if (line[i] === ',' && depth === 1) return i;
  }
  return -1;
}
