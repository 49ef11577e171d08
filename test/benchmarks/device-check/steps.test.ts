import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgePeers } from '../../../benchmarks/device-check/peer-losses';
import type { DeviceRecord, TimeRecord } from '../../../benchmarks/device-check/records';
import { formatReport, stallsOf } from '../../../benchmarks/device-check/report';
import {
  type DeviceCheckResults,
  fileNameOf,
  type StepResult,
  verdictOf,
} from '../../../benchmarks/device-check/results';
import {
  type Output,
  readProfile,
  readSanitizer,
  readTests,
  steps,
  totalSeconds,
} from '../../../benchmarks/device-check/steps';

const root = join(__dirname, '../../..');
const output = (stdout: string, exitCode: number | null = 0, stderr = ''): Output => ({ exitCode, stdout, stderr });
const step = (name: string) => steps.find((each) => each.name === name) as (typeof steps)[number];
const line = (record: object) => `${JSON.stringify(record)}\n`;

describe('the table of steps', () => {
  it('fits into eight minutes, whatever hangs', () => {
    expect(totalSeconds).toBe(480);
    expect(steps.reduce((sum, { limitSeconds }) => sum + limitSeconds, 0)).toBeLessThanOrEqual(totalSeconds);
  });

  it('names each step once', () => {
    expect(new Set(steps.map(({ name }) => name)).size).toBe(steps.length);
  });

  it('runs only tools that the step says it needs', () => {
    const context = { emulated: false, root: '/', inputs: '/inputs' };
    for (const { command, needs } of steps) {
      const { tool, args } = command(context);
      expect(needs).toContain(tool);
      if (args.includes('DEVICE_CHECK')) expect(needs).toContain('device_check');
    }
  });
});

describe('what a program says', () => {
  const { read } = step('small cases');
  const check = { kind: 'check', name: 'small cases', agreed: 9, wrong: 0, skipped: 0, first: '' };

  it('is right where it ends with 0', () => {
    expect(read(output(line(check)))).toEqual({ records: [check], status: 'ok', reason: '' });
  });

  it('is wrong with the first difference', () => {
    const wrong = { ...check, wrong: 2, first: 'a tail: rank' };
    expect(read(output(line(check) + line(wrong), 1))).toMatchObject({
      status: 'wrong',
      reason: 'small cases: a tail: rank',
    });
  });

  it('is a failure where it crashes, also with records', () => {
    const { status, reason, records } = read(output(line(check), null, 'killed by SIGSEGV'));
    expect({ status, reason }).toEqual({ status: 'failed', reason: 'killed by SIGSEGV' });
    expect(records).toEqual([check]);
  });

  it('is a failure with what the runtime said', () => {
    const error = { kind: 'error', message: 'kernels: cudaErrorIllegalAddress' };
    expect(read(output(line(error), 3))).toMatchObject({ status: 'failed', reason: error.message });
  });

  it('is skipped where what it needs is not there', () => {
    const skipped = { kind: 'skipped', name: 'torch', reason: 'torch is not there' };
    expect(step('peers').read(output(line(skipped), 4))).toMatchObject({ status: 'skipped', reason: skipped.reason });
  });

  it('leaves out a line that the time limit cut off', () => {
    expect(read(output(`${line(check)}{"kind":"check","na`)).records).toEqual([check]);
  });
});

describe('compute-sanitizer', () => {
  it.each([
    ['memcheck', '========= ERROR SUMMARY: 0 errors'],
    ['racecheck', '========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)'],
  ])('%s without errors is right', (tool, summary) => {
    const { status, records } = readSanitizer(tool, output(`========= COMPUTE-SANITIZER\n${summary}\n`));
    expect({ status, last: records.at(-1) }).toMatchObject({ status: 'ok', last: { kind: 'sanitizer', tool } });
  });

  it.each([
    ['memcheck', '========= Invalid __global__ read of size 16 bytes', '========= ERROR SUMMARY: 1 error'],
    [
      'racecheck',
      '========= Error: Race reported between Write access',
      '========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)',
    ],
    // Not one of the ten or more begins with a 0.
    ['memcheck', '========= Invalid __shared__ write', '========= ERROR SUMMARY: 10 errors'],
  ])('%s with an error is wrong, and says the first', (tool, error, summary) => {
    const result = readSanitizer(tool, output(`========= COMPUTE-SANITIZER\n${error}\n${summary}\n`));
    expect(result.status).toBe('wrong');
    expect(result.reason).toContain(error.replace(/^=+ /, ''));
  });

  it('is a failure where there is no summary, as on a device that it does not support', () => {
    const refusal = '========= Error: Device not supported';
    expect(readSanitizer('memcheck', output(`${refusal}\n`, 255))).toMatchObject({ status: 'failed', reason: refusal });
  });
});

describe('ncu', () => {
  const stall = (reason: string) => `smsp__average_warps_issue_stalled_${reason}_per_issue_active.ratio`;
  // Columns of a profile on a GPU, in its order, with some whose names are almost those of the ones that the table shows.
  const columns = [
    ['ID', '', '0'],
    ['Process ID', '', '42'],
    ['Kernel Name', '', 'void plain_kernel<BFloat16, WideTiles>(RowLaunch)'],
    ['Grid Size', '', '(4096, 1, 1)'],
    ['FBSP.TriageCompute.dramc__throughput.avg.pct_of_peak_sustained_elapsed', '%', ''],
    ['device__attribute_max_registers_per_thread', '', '255'],
    ['gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed', '%', '30.446367'],
    ['gpu__time_duration.avg', 'us', '1.000000'],
    ['gpu__time_duration.sum', 'us', '1,719.104000'],
    ['launch__registers_per_thread', 'register/thread', '80'],
    ['launch__registers_per_thread_allocated', 'register/thread', '88.000000'],
    ['sm__issue_active.avg.pct_of_peak_sustained_elapsed', '%', '61.309269'],
    ['sm__warps_active.avg.pct_of_peak_sustained_active', '%', '36.495784'],
    [stall('barrier'), 'inst', '2.409811'],
    [stall('gmma'), 'inst', '0'],
    [stall('no_instruction'), 'inst', '0.506907'],
    [stall('selected'), 'inst', '1.000000'],
    [stall('wait'), 'inst', '1.699098'],
    ['smsp__issue_active.avg.pct_of_peak_sustained_active', '%', '63.522594'],
    ['smsp__issue_active.avg.per_cycle_active', '', '0.64'],
    ['smsp__pcsamp_warps_issue_stalled_barrier', 'warp', '13890'],
  ] as const;
  const csvLine = (part: 0 | 1 | 2) => columns.map((column) => `"${column[part]}"`).join(',');
  const csv = `==PROF== Connected to process 42\n${csvLine(0)}\n${csvLine(1)}\n${csvLine(2)}\n`;

  it('profiles each of the kernels that go over rows', () => {
    const source = readFileSync(join(root, 'native/cuda/kernels/row_kernels.h'), 'utf8');
    const kernels = [...source.matchAll(/__global__ void [^;{]*?(\w+)\(const __grid_constant__/g)].map(
      ([, name]) => name,
    );
    expect(kernels.length).toBeGreaterThanOrEqual(3);
    const { args } = step('ncu').command({ emulated: false, root: '/', inputs: '/inputs' });
    const filter = new RegExp(args[args.indexOf('-k') + 1]?.replace('regex:', '') ?? '');
    expect(kernels.filter((name) => !filter.test(name as string))).toEqual([]);
    expect('begin_kernel').not.toMatch(filter);
  });

  it('is read kernel by kernel, with units', () => {
    const { status, records } = readProfile(output(csv));
    expect(status).toBe('ok');
    const [kernel, grid] = ['void plain_kernel<BFloat16, WideTiles>(RowLaunch)', '(4096, 1, 1)'];
    expect(records).toEqual([expect.objectContaining({ kernel, grid })]);
    expect(records[0]).toMatchObject({ metrics: { 'gpu__time_duration.sum': '1,719.104000 us' } });
  });

  it('becomes a row of the table, from the metrics of these names and no others', () => {
    const { records } = readProfile(output(csv));
    expect(formatReport(resultsOf(ran('ncu', { records })))).toContain(
      '| 1719 us; DRAM 30.45 %; issue active 63.52 %; warps active 36.5 %; 80 register/thread; ' +
        'stalls: barrier 2.41, wait 1.70, no_instruction 0.51 |',
    );
  });

  it('names the largest stall first, and not the warps that issue', () => {
    const [record] = readProfile(output(csv)).records;
    if (record?.kind !== 'profile') throw new Error('no profile');
    expect(stallsOf(record).map(({ reason }) => reason)).toEqual(['barrier', 'wait', 'no_instruction']);
  });

  it('says that no kernel was profiled, and which there were', () => {
    const warning =
      '==WARNING== No kernels were profiled.\nAvailable Kernels:\n1. begin_kernel\n2. end_kernel\n3. plain_kernel\n';
    const reason = 'no kernel was profiled, of begin_kernel, end_kernel, plain_kernel';
    expect(readProfile(output(warning))).toEqual({ records: [], status: 'failed', reason });
    expect(readProfile(output('', 0, warning))).toMatchObject({ status: 'failed', reason });
  });

  it('says why it was refused', () => {
    const refusal = '==ERROR== ERR_NVGPUCTRPERM - The user does not have permission';
    expect(readProfile(output(`${refusal}\n`, 1))).toMatchObject({
      status: 'failed',
      reason: 'ERR_NVGPUCTRPERM - The user does not have permission',
    });
  });
});

describe('the tests', () => {
  const report = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 1, success: true, testResults: [] };

  it('are right where all that ran passed', () => {
    expect(readTests(output(JSON.stringify(report)))).toMatchObject({ status: 'ok' });
  });

  const name = '/somewhere/test/unpacked/test/cuda/streams.test.ts';
  const failureMessages = ['\u001b[31mError: expected 1\u001b[39m\n  at streams.test.ts:3'];
  const failed = { status: 'failed', fullName: 'the loss is right', failureMessages };
  const unloaded = { name, message: "  ● Test suite failed to run\n\n    Cannot find module '../x'\n\n    at y" };

  it('are wrong where one failed: the file, the test and what it said', () => {
    const testResults = [{ name, message: '', assertionResults: [{ ...failed, status: 'passed' }, failed] }];
    expect(readTests(output(JSON.stringify({ ...report, success: false, testResults }), 1))).toMatchObject({
      status: 'wrong',
      reason: 'test/cuda/streams.test.ts: the loss is right: Error: expected 1',
    });
  });

  it('are wrong where files could not be loaded: how many, and why the first', () => {
    const testResults = [
      { ...unloaded, assertionResults: [] },
      { ...unloaded, assertionResults: [] },
    ];
    expect(readTests(output(JSON.stringify({ ...report, success: false, testResults }), 1))).toMatchObject({
      status: 'wrong',
      reason: "2 not loaded, the first test/cuda/streams.test.ts: Cannot find module '../x'",
    });
  });

  it('are wrong where none ran', () => {
    expect(readTests(output(JSON.stringify({ ...report, numPassedTests: 0 })))).toMatchObject({
      status: 'wrong',
      reason: 'no test ran',
    });
  });
});

const ran = (name: string, changes: Partial<StepResult> = {}): StepResult => ({
  ...{ name, status: 'ok', reason: '', seconds: 1, limitSeconds: 9, decides: true, records: [] },
  ...changes,
});
const resultsOf = (...list: StepResult[]): DeviceCheckResults => ({
  ...{
    format: 1,
    emulated: false,
    started: '2026-01-02T03:04:05Z',
    commit: 'abc',
    device: undefined,
    node: 'v20',
    seconds: 1,
  },
  steps: list,
});

describe('the verdict', () => {
  it('is 0 where all that ran is right, and names what is not known', () => {
    const ncu = ran('ncu', { status: 'skipped', reason: 'ncu is not on the PATH', decides: false });
    const { exitCode, text } = verdictOf(resultsOf(ran('limits'), ncu));
    expect(exitCode).toBe(0);
    expect(text).toContain('ncu is not on the PATH');
  });

  it.each(['wrong', 'failed', 'limit'] as const)('is 1 where a step that decides is %s', (status) => {
    const { exitCode, text } = verdictOf(resultsOf(ran('limits'), ran('small cases', { status, reason: 'why' })));
    expect(exitCode).toBe(1);
    expect(text).toContain('small cases (why)');
  });

  it('is 0 where a profiler is refused, and 1 where a peer computes another loss', () => {
    const refused = ran('ncu', { status: 'failed', decides: false, reason: 'no permission' });
    expect(verdictOf(resultsOf(ran('limits'), refused)).exitCode).toBe(0);
    expect(verdictOf(resultsOf(ran('limits'), ran('peers', { status: 'wrong', decides: false }))).exitCode).toBe(1);
  });

  it('is not 0 where nothing ran', () => {
    expect(verdictOf(resultsOf(ran('limits', { status: 'skipped', reason: 'no program' }))).exitCode).toBe(1);
  });

  it('is not 0 where only steps ran that do not decide, and says so', () => {
    expect(verdictOf(resultsOf(ran('peers', { decides: false })))).toEqual({ exitCode: 1, text: 'NOTHING DECIDED.' });
  });

  it('of a rehearsal says that nothing was measured', () => {
    expect(verdictOf({ ...resultsOf(ran('limits')), emulated: true }).text).toMatch(/REHEARSAL.*nothing was measured/);
  });
});

describe('the files of a check', () => {
  const device = { kind: 'device', name: 'NVIDIA H200' } as DeviceRecord;

  it('are named by device, date and commit, whichever steps ran', () => {
    const results = { ...resultsOf(ran('peers')), device };
    expect(fileNameOf(results)).toBe('nvidia-h200-2026-01-02-abc');
    expect(formatReport(results)).toMatch(/^# NVIDIA H200, 2026-01-02, commit abc\n/);
  });

  it('of some steps alone do not take the place of those of a whole check', () => {
    expect(fileNameOf({ ...resultsOf(), device }, 'limits|^small')).toBe('nvidia-h200-2026-01-02-abc-limits-small');
  });

  it('say so where the device did not say what it is', () => {
    expect(fileNameOf(resultsOf())).toBe('no-device-2026-01-02-abc');
  });
});

const time = (changes: Partial<TimeRecord>): TimeRecord => ({
  ...{ kind: 'time', contender: 'fused-bear-loss', dtype: 'bfloat16', rows: 1000, vocabSize: 1000 },
  ...{ loss: 'BEAR', pass: 'forward', milliseconds: 0.01, value: 10 },
  ...changes,
});

describe('peers', () => {
  const ours = ran('times', { records: [time({})] });

  it('have the same inputs where their loss is ours', () => {
    const peer = time({ contender: 'authors', value: 10.001, tolerance: 2e-4 });
    expect(judgePeers(ran('peers', { records: [peer] }), ours).status).toBe('ok');
  });

  it('are not compared where ours were not timed, and a record says so', () => {
    const peer = time({ contender: 'authors', value: 99, tolerance: 2e-4 });
    const { status, records } = judgePeers(ran('peers', { records: [peer] }), undefined);
    expect({ status, records }).toEqual({
      status: 'ok',
      records: [peer, expect.objectContaining({ kind: 'skipped' })],
    });
  });

  it.each([10.1, null])('computed something else where it is %p', (value) => {
    const peer = time({ contender: 'authors', value, tolerance: 2e-4 });
    const { status, reason } = judgePeers(ran('peers', { records: [peer] }), ours);
    expect(status).toBe('wrong');
    expect(reason).toContain('authors');
  });
});

describe('the table', () => {
  const copy = {
    kind: 'ceiling',
    name: 'copy',
    bytes: 1,
    milliseconds: 1,
    gigabytesPerSecond: 1000,
  } as const;

  it('gives a time as a share of the floor: the same bytes at the bandwidth of a copy', () => {
    // 2 MB at 1000 GB/s are 2 us; out of place 4 MB are 4 us.
    const parts = { beginMilliseconds: 0.001, rowsMilliseconds: 0.008, endMilliseconds: 0.001 };
    const records = [copy, time({ ...parts }), time({ pass: 'out of place', milliseconds: 0.02 })];
    expect(formatReport(resultsOf(ran('times', { records })))).toContain(
      '| times | bfloat16 1000 x 1000, BEAR |  | 20.0 %, 1 + 8 + 1 us | 20.0 %, 20 us |  |',
    );
  });

  it('of a rehearsal has no share, and says what its numbers are', () => {
    const report = formatReport({ ...resultsOf(ran('times', { records: [copy, time({})] })), emulated: true });
    expect(report).not.toContain(' %');
    expect(report).toContain('No figure below is a measurement');
  });

  it('ends with the verdict', () => {
    const results = resultsOf(ran('limits', { status: 'wrong', reason: 'a | b' }));
    const lines = formatReport(results).trim().split('\n');
    expect(lines.at(-1)).toBe(verdictOf(results).text);
    for (const row of lines.filter((each) => each.startsWith('|'))) expect(row.split(' | ')).toHaveLength(6);
  });
});
