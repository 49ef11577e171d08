// The steps of the check on a card, as a table: what each needs, its time limit, how it is run, how its output is read.
import { stripVTControlCharacters } from 'node:util';
import {
  bytesPerElement,
  deviceShapes,
  dtypes,
  type LossName,
  losses,
  moreDeviceCases,
  type Pass,
  type Shape,
} from '../cases';
import type { BenchDType } from '../native';
import { type CheckKitRecord, ofKind, type ProfileRecord, parseRecords } from './records';
import type { StepStatus } from './results';

export type Tool = 'device_check' | 'compute-sanitizer' | 'ncu' | 'python3' | 'node';

export interface Context {
  emulated: boolean;
  /** The checkout, or what was unpacked. */
  root: string;
  /** The file that `device_check inputs` wrote: the logits and targets of ours and of the peers. */
  inputs: string;
}

export interface Command {
  tool: Tool;
  args: string[];
  env?: Record<string, string>;
}

export interface Output {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface Reading {
  records: CheckKitRecord[];
  status: StepStatus;
  reason: string;
}

export interface Step {
  name: string;
  /** All have to be there; the first of them that is not is the reason why the step is skipped. */
  needs: Tool[];
  limitSeconds: number;
  decides: boolean;
  /** Whether `nvidia-smi` is asked for the clocks meanwhile. */
  watchesClocks?: boolean;
  command(context: Context): Command;
  read(output: Output): Reading;
}

/** All together must fit into this. */
export const totalSeconds = 480;

const lastLine = (text: string) => text.trim().split('\n').pop() ?? '';

/** Programs that write records end with 0: right, 1: wrong, 4: something is not there; else they failed. */
function readRecords({ exitCode, stdout, stderr }: Output): Reading {
  const records = parseRecords(stdout);
  if (exitCode === 0) return { records, status: 'ok', reason: '' };
  if (exitCode === 1 || exitCode === 4) {
    const found = exitCode === 1 ? ofKind(records, 'check').find(({ wrong }) => wrong > 0) : undefined;
    const skipped = ofKind(records, 'skipped')[0];
    if (found) return { records, status: 'wrong', reason: `${found.name}: ${found.first}` };
    if (exitCode === 4 && skipped) return { records, status: 'skipped', reason: skipped.reason };
  }
  const error = ofKind(records, 'error')[0]?.message ?? lastLine(stderr || stdout);
  return { records, status: 'failed', reason: error || `ended with ${exitCode}` };
}

interface SizedCase {
  dtype: BenchDType;
  shape: Shape;
}

const rehearsedCases: SizedCase[] = [
  { dtype: 'bfloat16', shape: { rows: 3, vocabSize: 4096 } },
  { dtype: 'float32', shape: { rows: 5, vocabSize: 33 } },
];

function timedCases({ emulated }: Pick<Context, 'emulated'>): SizedCase[] {
  if (emulated) return rehearsedCases;
  return [...deviceShapes.flatMap((shape) => dtypes.map((dtype) => ({ shape, dtype }))), ...moreDeviceCases];
}

/** Bytes that any implementation must move: what the floor is the time of. */
export function bytesOf({ dtype, shape }: SizedCase, pass: Pass): number {
  return shape.rows * shape.vocabSize * bytesPerElement(dtype) * (pass === 'forward' ? 1 : 2);
}

const shapeArgument = ({ dtype, shape }: SizedCase) => `${dtype},${shape.rows},${shape.vocabSize}`;

function lossArgument(name: LossName): string {
  const { penalty, lambda, beamWidth, pruningStatistics } = losses[name];
  return [name, penalty, lambda, beamWidth, Number(pruningStatistics)].join(',');
}

function largeShapes(emulated: boolean): string[] {
  if (emulated) return ['float32,3,4619', 'float16,2,1000', 'bfloat16,2,32000'];
  const sizes = [
    [33, 4619],
    [16, 32000],
    [8, 128256],
    [5, 250003],
    [3, 1048576],
  ];
  return ['float32', 'float16', 'bfloat16'].flatMap((dtype) => sizes.map(([rows, size]) => `${dtype},${rows},${size}`));
}

const deviceCheck = (...args: string[]): Command => ({ tool: 'device_check', args });

const sanitizers = ['memcheck', 'synccheck', 'initcheck', 'racecheck'];

/** As many of the small cases as fit into the time: how slow each tool is, nobody knows before. */
function sanitizerStep(tool: string): Step {
  return {
    name: `compute-sanitizer ${tool}`,
    needs: ['device_check', 'compute-sanitizer'],
    limitSeconds: 25,
    decides: true,
    // Poison would count as written.
    command: ({ emulated }) => ({
      tool: 'compute-sanitizer',
      args: [
        ...['--tool', tool, '--print-limit', '5', 'DEVICE_CHECK', 'small-cases', 'float32', 'bfloat16'],
        ...['--no-poison', '--seconds', '17', '--every', emulated ? '40' : '1'],
      ],
    }),
    read: (output) => readSanitizer(tool, output),
  };
}

/** "ERROR SUMMARY: 0 errors" or "RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)". */
export function readSanitizer(tool: string, { exitCode, stdout, stderr }: Output): Reading {
  const text = `${stdout}\n${stderr}`;
  const checks = parseRecords(stdout);
  const summary = /(?:ERROR|RACECHECK) SUMMARY: (.*)/.exec(text)?.[1]?.trim();
  if (summary === undefined) {
    return { records: checks, status: 'failed', reason: lastLine(stderr || stdout) || `ended with ${exitCode}` };
  }
  const records: CheckKitRecord[] = [...checks, { kind: 'sanitizer', tool, summary }];
  if (/^0 (?:errors|hazards)/.test(summary)) {
    const differs = ofKind(checks, 'check').find(({ wrong }) => wrong > 0);
    if (differs) return { records, status: 'wrong', reason: `${differs.name}: ${differs.first}` };
    return { records, status: 'ok', reason: '' };
  }
  const first = /^=+ (?!COMPUTE-SANITIZER)(\S.*)$/m.exec(text)?.[1] ?? '';
  return { records, status: 'wrong', reason: `${summary}: ${first}` };
}

/** A line of CSV whose cells may be in quotes. */
function parseCsvLine(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

/** Of a filter that matches no kernel, ncu says only which kernels it saw: "1. begin_kernel" and so on, a line each. */
function whyNothingWasProfiled(text: string): string | undefined {
  const [, after] = text.split('==WARNING== No kernels were profiled');
  if (after === undefined) return undefined;
  const kernels = [...after.matchAll(/^\s*\d+\. (.+)$/gm)].map(([, name]) => name?.trim());
  return `no kernel was profiled${kernels.length > 0 ? `, of ${kernels.join(', ')}` : ''}`;
}

/** What `ncu --csv --page raw` prints: a line of names, a line of units, a line a kernel, among lines of its own. */
export function readProfile({ exitCode, stdout, stderr }: Output): Reading {
  const lines = stdout.split('\n').filter((line) => line.startsWith('"'));
  const [header, units, ...rows] = lines.map(parseCsvLine);
  const kernelColumn = header?.indexOf('Kernel Name') ?? -1;
  if (!header || !units || kernelColumn < 0 || rows.length === 0) {
    const text = `${stdout}\n${stderr}`;
    const refusal = /==ERROR== (.*)/.exec(text)?.[1] ?? whyNothingWasProfiled(text);
    const reason = refusal ?? (lastLine(stderr || stdout) || `ended with ${exitCode}`);
    return { records: [], status: 'failed', reason };
  }
  const gridColumn = header.indexOf('Grid Size');
  const records = rows.map((cells): ProfileRecord => {
    const metrics = header.flatMap((name, column) =>
      name.includes('__') ? [[name, `${cells[column] ?? ''} ${units[column] ?? ''}`.trim()]] : [],
    );
    return {
      kind: 'profile',
      kernel: cells[kernelColumn] ?? '',
      grid: cells[gridColumn] ?? '',
      metrics: Object.fromEntries(metrics),
    };
  });
  return { records, status: 'ok', reason: '' };
}

interface JestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  success: boolean;
  testResults: {
    name: string;
    message: string;
    assertionResults: { status: string; fullName: string; failureMessages: string[] | null }[];
  }[];
}

/** A message of jest begins with a heading ("● Test suite failed to run") and is coloured. */
function firstLine(message: string): string {
  const lines = stripVTControlCharacters(message).split('\n');
  return lines.map((line) => line.trim()).find((line) => line !== '' && !line.startsWith('●')) ?? '';
}

/** The first test that failed, and the files of which no test ran as they could not be loaded. */
function firstFailures({ testResults }: JestReport): string {
  const reasons: string[] = [];
  const fileOf = (name: string) => name.replace(/^.*\/(?=test\/)/, '');
  const failed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map((test) => ({ name, ...test })),
  )[0];
  if (failed) {
    reasons.push(`${fileOf(failed.name)}: ${failed.fullName}: ${firstLine(failed.failureMessages?.[0] ?? '')}`);
  }
  const unloaded = testResults.filter(({ message, assertionResults }) => message && assertionResults.length === 0);
  if (unloaded[0]) {
    const { name, message } = unloaded[0];
    reasons.push(`${unloaded.length} not loaded, the first ${fileOf(name)}: ${firstLine(message)}`);
  }
  return reasons.join('; ');
}

/** What `jest --json` prints. */
export function readTests({ exitCode, stdout, stderr }: Output): Reading {
  const begin = stdout.indexOf('{"num');
  let report: JestReport;
  try {
    report = JSON.parse(stdout.slice(begin)) as JestReport;
  } catch {
    return { records: [], status: 'failed', reason: lastLine(stderr) || `ended with ${exitCode}` };
  }
  const reason = firstFailures(report);
  const { numPassedTests: agreed, numFailedTests: wrong, numPendingTests: skipped, success } = report;
  const right = success && exitCode === 0 && agreed > 0;
  const records: CheckKitRecord[] = [{ kind: 'check', name: 'tests', agreed, wrong, skipped, first: reason }];
  return { records, status: right ? 'ok' : 'wrong', reason: right ? '' : reason || 'no test ran' };
}

export const steps: Step[] = [
  {
    name: 'limits',
    needs: ['device_check'],
    limitSeconds: 15,
    decides: true,
    command: () => deviceCheck('limits'),
    read: readRecords,
  },
  {
    name: 'small cases',
    needs: ['device_check'],
    limitSeconds: 25,
    decides: true,
    command: ({ emulated }) =>
      deviceCheck(
        'small-cases',
        'float32',
        'float16',
        'bfloat16',
        ...(emulated ? ['--no-poison', '--every', '3'] : []),
      ),
    read: readRecords,
  },
  ...sanitizers.map(sanitizerStep),
  {
    name: 'large shapes',
    needs: ['device_check'],
    limitSeconds: 55,
    decides: true,
    command: ({ emulated }) => deviceCheck('large-shapes', ...largeShapes(emulated)),
    read: readRecords,
  },
  {
    name: 'ceilings',
    needs: ['device_check'],
    limitSeconds: 15,
    decides: true,
    command: ({ emulated }) => deviceCheck('ceilings', ...(emulated ? ['--bytes', '65536', '--samples', '2'] : [])),
    read: readRecords,
  },
  {
    name: 'times',
    needs: ['device_check'],
    limitSeconds: 60,
    decides: true,
    watchesClocks: true,
    command: (context) =>
      deviceCheck(
        'times',
        ...['--samples', context.emulated ? '1' : '7'],
        ...(Object.keys(losses) as LossName[]).flatMap((name) => ['--loss', lossArgument(name)]),
        ...timedCases(context).map(shapeArgument),
      ),
    read: readRecords,
  },
  {
    name: 'ncu',
    needs: ['device_check', 'ncu'],
    limitSeconds: 45,
    decides: false,
    command: ({ emulated }) => {
      const rows = emulated ? 2 : 2048;
      const profiled = ['forward', 'out of place'].flatMap((pass) => [
        `bfloat16,${rows},32000,${pass}`,
        `bfloat16,${rows},128256,${pass}`,
      ]);
      const sections = ['SpeedOfLight', 'Occupancy', 'SchedulerStats', 'WarpStateStats', 'LaunchStats'];
      return {
        tool: 'ncu',
        args: [
          ...['--clock-control', 'none', '--csv', '--page', 'raw', '-k', 'regex:(row|plain|gradient)_kernel'],
          ...[...sections.flatMap((name) => ['--section', name]), 'DEVICE_CHECK', 'profile', ...profiled],
        ],
      };
    },
    read: readProfile,
  },
  {
    name: 'peers',
    needs: ['python3', 'device_check'],
    limitSeconds: 95,
    decides: false,
    command: (context) => ({
      tool: 'python3',
      args: [
        'benchmarks/device-check/peers.py',
        ...['--inputs', context.inputs, '--seconds', context.emulated ? '20' : '85'],
        ...timedCases(context).map(shapeArgument),
      ],
      // Nothing of torch is computed in the rehearsal: a stand-in goes through every line.
      env: {
        PYTHONUNBUFFERED: '1',
        PYTHONDONTWRITEBYTECODE: '1',
        ...(context.emulated && { PYTHONPATH: 'benchmarks/device-check/stand-ins' }),
      },
    }),
    read: readRecords,
  },
  {
    name: 'Node',
    needs: ['node'],
    limitSeconds: 25,
    decides: true,
    command: ({ emulated }) => ({
      tool: 'node',
      args: ['--import', 'tsx', 'benchmarks/device-check/node-checks.ts', emulated ? '12' : '1000'],
      // A row a chunk: many launches of both shapes side by side.
      env: { FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES: '2000' },
    }),
    read: readRecords,
  },
  {
    name: 'test:cuda',
    needs: ['node'],
    limitSeconds: 45,
    decides: true,
    command: ({ emulated }) => ({
      tool: 'node',
      args: [
        'node_modules/jest/bin/jest.js',
        ...['--json', '--selectProjects', emulated ? 'cuda-emulated' : 'cuda', '--testPathPatterns'],
        ...(emulated ? ['test/golden/own-cases', 'test/cuda/device-tensor'] : ['test/']),
      ],
      env: { FUSED_BEAR_LOSS_TEST_DEVICE: emulated ? 'cuda-emulated' : 'cuda' },
    }),
    read: readTests,
  },
];
