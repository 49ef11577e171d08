// The tables that a person reads.
import Table from 'cli-table3';
import { caseName, shapeName, threadsName } from './cases';
import { tunedName } from './contenders';
import type { Measurement } from './harness';
import type { Machine } from './machine';
import { type CaseResult, floorOf, gigabytesPerSecond, lossOf, type Results, ratio } from './results';
import { listTargets, type Target, verdict } from './targets';

// No colours: the tables end up in files and in the README.
export const style = { head: [], border: [], compact: true };

export function number(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits);
}

// 10th percentile, and the median in brackets.
function milliseconds(measurement: Measurement | undefined): string {
  return measurement ? `${number(measurement.percentile10, 2)} (${number(measurement.median, 2)})` : '-';
}

function withRatio(result: CaseResult, measurement: Measurement | undefined): string {
  if (!measurement) return '-';
  const speed = number(gigabytesPerSecond(result, measurement), 0);
  return `${milliseconds(measurement)}  ${speed}  ${number(ratio(measurement, floorOf(result)), 2)}x`;
}

function caseTable(results: CaseResult[]): string {
  const table = new Table({
    head: [
      'threads',
      'pass',
      'floor',
      'BEAR',
      'cross-entropy',
      'with statistics',
      'BEAR, bare C++',
      'BEAR / CE',
      'TS / bare call',
      'bare call / C++',
    ],
    style,
  });
  for (const each of results) {
    const bear = lossOf(each, 'BEAR');
    const crossEntropy = lossOf(each, 'cross-entropy');
    table.push([
      each.threads,
      each.pass,
      withRatio(each, floorOf(each)),
      withRatio(each, bear),
      withRatio(each, crossEntropy),
      withRatio(each, lossOf(each, 'cross-entropy + statistics')),
      milliseconds(lossOf(each, 'BEAR', 'C++')),
      number(ratio(bear, crossEntropy), 2),
      number(ratio(lossOf(each, 'BEAR', 'TypeScript'), lossOf(each, 'BEAR', 'addon')), 3),
      number(ratio(lossOf(each, 'BEAR', 'addon'), lossOf(each, 'BEAR', 'C++')), 3),
    ]);
  }
  return table.toString();
}

// Floor variants are listed so that a reader sees what the floor was chosen from.
function floorTable(results: CaseResult[]): string {
  const table = new Table({ head: ['shape', 'dtype', 'threads', 'floor', 'ms', 'GB/s'], style });
  for (const each of results) {
    for (const measurement of each.measurements.filter(({ name }) => name.includes('floor'))) {
      table.push([
        shapeName(each.shape),
        each.dtype,
        each.threads,
        measurement.name,
        milliseconds(measurement),
        number(gigabytesPerSecond(each, measurement), 1),
      ]);
    }
  }
  return table.toString();
}

function tuningTable({ cases, machine, settings }: Results): string {
  const table = new Table({ head: ['case', 'tuning', 'ms', 'ratio to the floor'], style });
  for (const each of cases) {
    const named = (name: string) => each.measurements.find((measurement) => measurement.name === name);
    const rows = [
      [machine.tuning, lossOf(each, 'BEAR', 'C++')] as const,
      ...settings.tunings.map((tuning) => [tuning, named(tunedName(tuning))] as const),
    ];
    for (const [tuning, measurement] of rows) {
      const floors = number(ratio(measurement, floorOf(each)), 2);
      table.push([caseName(each), tuning, milliseconds(measurement), floors]);
    }
  }
  return table.toString();
}

// Ratios and errors alike.
function plain(value: number): string {
  return value < 0.01 ? value.toExponential(1) : value.toFixed(2);
}

export function targetTable(targets: readonly Target[], quick: boolean): string {
  const table = new Table({ head: ['target, float32, 10th percentiles', 'must', 'aim', 'measured', 'verdict'], style });
  for (const target of targets) {
    const measured = target.values.map(({ at, value }) => `${plain(value)} at ${at}`).join(', ');
    table.push([
      target.name,
      target.bar ? plain(target.bar.must) : '-',
      target.bar ? plain(target.bar.aim) : '-',
      measured,
      quick ? 'quick run, not judged' : verdict(target),
    ]);
  }
  return table.toString();
}

function peerTable({ cases, peers }: Results): string {
  const table = new Table({ head: ['shape', 'plain JavaScript, ms', 'BEAR, ms', 'times faster'], style });
  for (const { shape, measurement } of peers) {
    const ours = cases.find(
      (each) => each.shape === shape && each.dtype === 'float32' && each.threads === 1 && each.pass === 'out of place',
    );
    const bear = ours && lossOf(ours, 'BEAR');
    table.push([shapeName(shape), milliseconds(measurement), milliseconds(bear), number(ratio(measurement, bear), 0)]);
  }
  return table.toString();
}

export function machineText(machine: Machine): string {
  const caches = machine.caches
    .map(({ level, type, bytes }) => `L${level} ${type.toLowerCase()} ${bytes / 1024} KiB`)
    .join(', ');
  const load = (averages: number[]) => number(averages[0], 2);
  return [
    `${machine.processor}, ${threadsName(machine.threads)}, ${number(machine.memoryBytes / 2 ** 30, 0)} GiB`,
    caches || 'caches unknown',
    `${machine.system}, Node ${machine.node}, kernels use ${machine.instructionSet}, tuned for ${machine.tuning}`,
    `load average ${load(machine.loadAverageBefore)} before, ${load(machine.loadAverageAfter)} after`,
  ].join('\n');
}

function groupBy<T>(values: T[], key: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value]);
  return groups;
}

export function formatReport(results: Results): string {
  const sections = [machineText(results.machine)];
  if (results.settings.quick)
    sections.push('Quick run: the shapes are too small for any ratio here to mean something.');
  sections.push(
    'Milliseconds: 10th percentile (median). Then, by the 10th percentile, GB/s (logits once, gradient once) and the ratio to the floor.',
  );
  for (const [title, group] of groupBy(results.cases, (each) => `${shapeName(each.shape)}, ${each.dtype}`)) {
    sections.push(`${title}\n${caseTable(group)}`);
  }
  sections.push(`Memory floors; the faster loop of each pair is the floor above\n${floorTable(results.cases)}`);
  if (results.settings.tunings.length > 0) {
    sections.push(`BEAR, bare C++ calls, by tuning\n${tuningTable(results)}`);
  }
  if (results.peers.length > 0) {
    sections.push(`Forward + gradient out of place, float32, 1 thread\n${peerTable(results)}`);
  }
  sections.push(targetTable(listTargets(results), results.settings.quick));
  return sections.join('\n\n');
}
