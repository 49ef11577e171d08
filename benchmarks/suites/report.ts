// The tables of a suite that a person reads.
import Table from 'cli-table3';
import type { Measurement } from '../harness';
import { peerText } from '../peers/peer';
import { machineText, number, style, targetTable } from '../report';
import type { Target } from '../targets';
import { megabytesOf, ratioOf, type SuiteCaseResult, type SuiteResults } from './results';
import type { Suite } from './suite';

/** Milliseconds from below one to a minute, with as many digits as mean something. */
function milliseconds({ percentile10, median }: Measurement): string {
  const digits = percentile10 < 10 ? 2 : percentile10 < 100 ? 1 : 0;
  return `${number(percentile10, digits)} (${number(median, digits)})`;
}

function ratioText(ratio: number | undefined): string {
  return ratio !== undefined && ratio < 0.1 ? ratio.toPrecision(2) : number(ratio, 2);
}

function caseTable(cases: readonly SuiteCaseResult[]): string {
  const hasMemory = cases.some(({ memory }) => memory.length > 0);
  const head = ['case', 'contender', 'ms', '/ reference', ...(hasMemory ? ['peak memory, MB'] : [])];
  const table = new Table({ head, style });
  for (const each of cases) {
    each.measurements.forEach((measurement, index) => {
      const { name } = measurement;
      const ratio = ratioText(ratioOf(each, name, each.reference));
      table.push([
        index === 0 ? each.name : '',
        name === each.reference ? `${name} (reference)` : name,
        milliseconds(measurement),
        ratio,
        ...(hasMemory ? [number(megabytesOf(each, name), 1)] : []),
      ]);
    });
  }
  return table.toString();
}

/** One for each case that it is measured at. */
function targetsOf(suite: Suite, { cases, machine }: SuiteResults): Target[] {
  return suite.targets.flatMap(({ name, bars, value }) =>
    cases.flatMap((each) => {
      const found = value(each);
      if (found === undefined) return [];
      return [{ name, bar: bars[machine.family ?? 'default'] ?? bars.any, values: [{ at: each.name, value: found }] }];
    }),
  );
}

export function formatSuite(suite: Suite, results: SuiteResults): string {
  const { machine, settings, peers, cases } = results;
  return [
    machineText(machine),
    peers.map(peerText).join('\n'),
    ...(settings.quick ? ['Quick run: the shapes are too small for any ratio here to mean something.'] : []),
    `${suite.legend}\nMilliseconds: 10th percentile (median), of contenders that take turns.`,
    caseTable(cases),
    ...(suite.targets.length > 0 ? [targetTable(targetsOf(suite, results), settings.quick)] : []),
  ].join('\n\n');
}
