import { judgePeers } from '../../../benchmarks/device-check/peer-losses';
import type { TimeRecord } from '../../../benchmarks/device-check/records';
import { formatReport, stallsOf } from '../../../benchmarks/device-check/report';
import { type DeviceCheckResults, type StepResult, verdictOf } from '../../../benchmarks/device-check/results';
import {
  type Output,
  readProfile,
  readSanitizer,
  readTests,
  steps,
  totalSeconds,
} from '../../../benchmarks/device-check/steps';

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
  const csv = [
    '==PROF== Connected to process 42',
    '"ID","Process ID","Kernel Name","Grid Size","gpu__time_duration.sum","smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio","smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio"',
    '"","","","","us","inst","inst"',
    '"0","42","row_kernel(RowLaunch)","(2048, 1, 1)","1,812.35","1.25","3.50"',
  ].join('\n');

  it('is read kernel by kernel, with units', () => {
    const { status, records } = readProfile(output(csv));
    expect(status).toBe('ok');
    expect(records).toEqual([expect.objectContaining({ kernel: 'row_kernel(RowLaunch)', grid: '(2048, 1, 1)' })]);
    expect(records[0]).toMatchObject({ metrics: { 'gpu__time_duration.sum': '1,812.35 us' } });
  });

  it('names the largest stall first', () => {
    const [record] = readProfile(output(csv)).records;
    if (record?.kind !== 'profile') throw new Error('no profile');
    expect(stallsOf(record)).toEqual([
      { reason: 'long_scoreboard', value: 3.5 },
      { reason: 'barrier', value: 1.25 },
    ]);
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

  it('are wrong where one failed, where none ran, and where a file could not be loaded', () => {
    const assertionResults = [{ status: 'failed', fullName: 'the loss is right' }];
    const failed = { ...report, success: false, testResults: [{ message: '', assertionResults }] };
    const unloaded = { ...report, success: false, testResults: [{ message: 'no addon', assertionResults: [] }] };
    expect(readTests(output(JSON.stringify(failed), 1))).toMatchObject({
      status: 'wrong',
      reason: 'the loss is right',
    });
    expect(readTests(output(JSON.stringify(unloaded), 1))).toMatchObject({ status: 'wrong', reason: 'no addon' });
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
  ...{ format: 1, emulated: false, started: '2026-01-02T03:04:05Z', commit: 'abc', node: 'v20', seconds: 1 },
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

  it('of a rehearsal says that nothing was measured', () => {
    expect(verdictOf({ ...resultsOf(ran('limits')), emulated: true }).text).toMatch(/REHEARSAL.*nothing was measured/);
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
