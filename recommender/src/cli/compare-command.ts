import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Part } from '../comparison/compare.js';
import { DEFAULT_VARIANTS, parseVariant } from '../comparison/variants.js';
import { commandLine, version } from './command-line.js';
import { drawn } from './drawn-table.js';
import { type DataFlags, flaggedWorkbench } from './flagged-workbench.js';
import { path } from './option-values.js';
import { PLOT_PACKAGES, RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { addRunFlags, DATA_FOLDER } from './run-flags.js';
import { print } from './terminal.js';

interface CompareFlags extends DataFlags {
  out: string;
  variants: string[];
  seeds: number[];
  validationOnly?: boolean;
  part?: Part;
  merge?: string[];
  control?: string;
}

export function addCompareCommand(program: Command): void {
  const command = program
    .command('compare')
    .description('trains several losses with several seeds and writes a report; can be stopped and gone on with')
    .requiredOption('--data <folder>', DATA_FOLDER, path)
    .requiredOption('--out <folder>', 'folder for the runs and the report', path)
    .addOption(
      new Option(
        '--variants <list...>',
        'sft, msl, apao[,beta=..][,eta=..][,unmasked] or PENALTY[,lambda=..[/..]][,xi=..][,margin=..][,B=..][,flow][,from=..]' +
          '[,end=..], each with [,tau=..][,T=..]',
      ).default(DEFAULT_VARIANTS, DEFAULT_VARIANTS.join(' ')),
    )
    .addOption(
      new Option('--seeds <range>', 'seeds of the runs of each variant: 1..5, or 5 for the same')
        .argParser(seedRange)
        .default(seedRange('5'), '1..5'),
    )
    .option('--validation-only', 'leave the test rows out of the report: while settings are being chosen')
    .option(
      '--control <variant>',
      'also search the runs of msl at the temperature that gives them the mean entropy of this variant; trains nothing',
    )
    .addOption(
      new Option(
        '--part <i/n>',
        'train the i-th of n shares of the runs, and write no report: for several machines or an array job',
      )
        .argParser(partOf)
        .conflicts(['merge', 'validationOnly', 'control']),
    )
    .addOption(
      new Option('--merge <folders...>', 'train nothing: report on the runs in the folders of the parts').argParser(
        (folder: string, before: string[] = []) => [...before, path(folder)],
      ),
    );
  addRunFlags(command).action(runComparison);
}

const MOST_SEEDS = 1000;

function seedRange(text: string): number[] {
  const [, first = '1', last] = /^(?:(\d{1,9})\.\.)?(\d{1,9})$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (!(to >= from) || to - from >= MOST_SEEDS || (to === 0 && !text.includes('..'))) {
    throw new InvalidArgumentError('Expected a range of seeds such as 1..5, or a positive whole number.');
  }
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

const MOST_PARTS = 10_000;

function partOf(text: string): Part {
  const [, number = 0, count = 0] = (/^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? []).map(Number);
  if (number >= 1 && number <= count && count <= MOST_PARTS) return { number, count };
  throw new InvalidArgumentError('Expected i/n with i from 1 to n, such as 2/8.');
}

async function runComparison(flags: CompareFlags): Promise<void> {
  const variants = flags.variants.map(parseVariant);
  const control = flags.control === undefined ? undefined : parseVariant(flags.control).name;
  requirePackages('compare', [...RECOMMENDER_PACKAGES, ...PLOT_PACKAGES]);
  const {
    compare,
    comparePart,
    comparisonTables,
    describeWorkbench,
    mergeComparisons,
    notes,
    summarize,
    verdictOf,
    writeComparison,
  } = await import('../index.js');
  const { runProgress } = await import('./progress.js');
  const { workbench, options } = await flaggedWorkbench(flags);
  print(describeWorkbench(workbench));
  const { part, merge, out } = flags;
  const plan = {
    workbench,
    shared: options,
    variants,
    seeds: flags.seeds,
    ...(control !== undefined && { control }),
  };
  const hooks = {
    onRun: (title: string, done: number, total: number) => runProgress(`${done + 1}/${total} ${title}`),
  };
  if (part) {
    const runs = await comparePart(plan, out, part, hooks);
    print(
      `Part ${part.number} of ${part.count}: ${runs} runs are in ${out}. compare --merge FOLDER... reports on all parts.`,
    );
    return;
  }
  const comparison = merge ? await mergeComparisons(plan, merge, out) : await compare(plan, out, hooks);
  const summary = summarize(comparison, flags.validationOnly ? ['validation'] : undefined);
  for (const table of comparisonTables(summary)) print(`\n${table.title}\n${await drawn(table)}`);
  for (const note of notes(summary)) print(`\n${note}`);
  print(`\n${verdictOf(summary).sentences.join('\n')}`);
  const report = await writeComparison(out, summary, { command: commandLine(), version });
  print(`\nReport: ${report}`);
}
