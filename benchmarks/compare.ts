// bench compare: what changed between two runs, by the files that --json wrote.
import Table from 'cli-table3';
import type { Measurement } from './harness';
import type { Machine } from './machine';
import { machineText, number, style } from './report';

/** What every suite's file has. */
export interface ComparedRun {
  suite: string;
  machine: Machine;
  cases: { name: string; measurements: Measurement[]; memory?: { name: string; bytes: number }[] }[];
}

/** @throws Error that says what the file is not */
export function readRun(text: string, file: string): ComparedRun {
  let run: ComparedRun;
  try {
    run = JSON.parse(text) as ComparedRun;
  } catch {
    throw new Error(`${file} is not JSON`);
  }
  const isRun = typeof run?.suite === 'string' && Array.isArray(run.cases) && run.machine !== undefined;
  if (!isRun) throw new Error(`${file} is no file that the benchmark wrote by --json`);
  return run;
}

interface Difference {
  case: string;
  name: string;
  before: number | undefined;
  after: number | undefined;
}

type Figures = Map<string, { case: string; name: string; value: number }>;

function figuresOf(run: ComparedRun, list: (each: ComparedRun['cases'][number]) => [string, number][]): Figures {
  const figures = run.cases.flatMap((each) => list(each).map(([name, value]) => ({ case: each.name, name, value })));
  return new Map(figures.map((figure) => [JSON.stringify([figure.case, figure.name]), figure]));
}

/** In the order of the first run; what only the second has comes last. */
function differencesOf(before: Figures, after: Figures): Difference[] {
  return [...new Set([...before.keys(), ...after.keys()])].map((key) => {
    const [left, right] = [before.get(key), after.get(key)];
    const { case: caseName, name } = (left ?? right) as { case: string; name: string };
    return { case: caseName, name, before: left?.value, after: right?.value };
  });
}

function differenceTable(unit: string, differences: readonly Difference[]): string {
  const table = new Table({
    head: ['case', 'contender', `before, ${unit}`, `after, ${unit}`, 'after / before'],
    style,
  });
  for (const { case: caseName, name, before, after } of differences) {
    const ratio = before === undefined || after === undefined ? undefined : after / before;
    table.push([caseName, name, number(before, 2), number(after, 2), number(ratio, 3)]);
  }
  return table.toString();
}

/** The numbers mean something only if both runs were on one machine. */
function machinesText(before: Machine, after: Machine): string {
  if (before.processor === after.processor && before.threads === after.threads) return machineText(after);
  return `Not the same machine.\nBefore: ${machineText(before)}\nAfter: ${machineText(after)}`;
}

export function formatComparison(before: ComparedRun, after: ComparedRun): string {
  if (before.suite !== after.suite) {
    throw new Error(`two suites cannot be compared: ${before.suite} before, ${after.suite} after`);
  }
  const differences = (list: Parameters<typeof figuresOf>[1]) =>
    differencesOf(figuresOf(before, list), figuresOf(after, list));
  const times = differences(({ measurements }) => measurements.map(({ name, percentile10 }) => [name, percentile10]));
  const memory = differences(({ memory: all = [] }) => all.map(({ name, bytes }) => [name, bytes / 1e6]));
  return [
    `Suite ${after.suite}, 10th percentiles`,
    machinesText(before.machine, after.machine),
    differenceTable('ms', times),
    ...(memory.length > 0 ? [`Peak memory\n${differenceTable('MB', memory)}`] : []),
  ].join('\n\n');
}
