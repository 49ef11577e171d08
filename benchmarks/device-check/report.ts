// The Markdown table of a check, made from its JSON.
import { shapeName } from '../cases';
import { ofKind, type ProfileRecord, type TimeRecord } from './records';
import { type DeviceCheckResults, type StepResult, verdictOf } from './results';
import { bytesOf } from './steps';

interface Row {
  step: string;
  what: string;
  result: string;
  forward?: string;
  outOfPlace?: string;
  inPlace?: string;
}

const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(0)} GiB`;

function stepRow({ name, status, reason, seconds, limitSeconds }: StepResult): Row {
  return {
    step: name,
    what: `${seconds.toFixed(1)} of ${limitSeconds} s`,
    result: reason ? `${status}: ${reason}` : status,
  };
}

function recordRows({ name: step, records }: StepResult): Row[] {
  const rows: Row[] = [];
  for (const device of ofKind(records, 'device')) {
    rows.push({
      step,
      what: `${device.name}, compute capability ${device.computeCapability}`,
      result:
        `${device.multiprocessors} multiprocessors, ${gigabytes(device.memoryBytes)}, ` +
        `second-level cache ${Math.round(device.secondLevelCacheBytes / 2 ** 20)} MiB, ` +
        `driver for CUDA ${device.driverCuda}, runtime ${device.runtimeCuda}`,
    });
  }
  for (const { name, dtype, agreed, wrong, skipped, notReached, first } of ofKind(records, 'check')) {
    const rest = [
      wrong && `${wrong} WRONG: ${first}`,
      skipped && `${skipped} skipped`,
      notReached && `${notReached} not reached`,
    ].filter(Boolean);
    rows.push({ step, what: dtype ? `${name}, ${dtype}` : name, result: [`${agreed} agree`, ...rest].join(', ') });
  }
  for (const { summary } of ofKind(records, 'sanitizer')) rows.push({ step, what: 'summary', result: summary });
  for (const { name, gigabytesPerSecond } of ofKind(records, 'ceiling')) {
    rows.push({ step, what: name, result: `${gigabytesPerSecond.toPrecision(4)} GB/s` });
  }
  for (const { multiprocessorMHz, memoryMHz, watts } of ofKind(records, 'clocks')) {
    rows.push({ step, what: 'clocks', result: `${multiprocessorMHz} MHz, memory ${memoryMHz} MHz, ${watts} W` });
  }
  for (const record of ofKind(records, 'profile')) rows.push(profileRow(step, record));
  for (const { name, value, unit } of ofKind(records, 'node')) {
    rows.push({ step, what: name, result: `${Number(value.toPrecision(3))} ${unit}` });
  }
  for (const { name, reason } of ofKind(records, 'skipped'))
    rows.push({ step, what: name, result: `skipped: ${reason}` });
  return rows;
}

/** Of the sections that the step asks for. Whole names: many metrics share their beginnings, as `..._allocated` does. */
const profileColumns = {
  duration: 'gpu__time_duration.sum',
  dram: 'gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed',
  issueActive: 'smsp__issue_active.avg.pct_of_peak_sustained_active',
  warpsActive: 'sm__warps_active.avg.pct_of_peak_sustained_active',
  registers: 'launch__registers_per_thread',
};

/** "1,812.35 us" */
function parseFigure(text: string): { value: number; unit: string } {
  const [number = '', ...unit] = text.split(' ');
  return { value: number === '' ? Number.NaN : Number(number.replaceAll(',', '')), unit: unit.join(' ') };
}

const stallPattern = /^smsp__average_warps_issue_stalled_(\w+)_per_issue_active\.ratio$/;

/** The largest first. A warp that is "selected" is the one that issues: it does not wait. */
export function stallsOf({ metrics }: ProfileRecord): { reason: string; value: number }[] {
  return Object.entries(metrics)
    .flatMap(([name, text]) => {
      const reason = stallPattern.exec(name)?.[1];
      return reason && reason !== 'selected' ? [{ reason, value: parseFigure(text).value }] : [];
    })
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
}

function profileRow(step: string, record: ProfileRecord): Row {
  const figure = (column: keyof typeof profileColumns) => {
    const { value, unit } = parseFigure(record.metrics[profileColumns[column]] ?? '');
    if (Number.isNaN(value)) return '?';
    return `${Number(value.toPrecision(4))} ${unit}`;
  };
  const stalls = stallsOf(record)
    .slice(0, 4)
    .map(({ reason, value }) => `${reason} ${value.toFixed(2)}`);
  const result = [
    figure('duration'),
    `DRAM ${figure('dram')}`,
    `issue active ${figure('issueActive')}`,
    `warps active ${figure('warpsActive')}`,
    figure('registers'),
    `stalls: ${stalls.join(', ') || 'none read'}`,
  ];
  return { step, what: `${record.kernel} ${record.grid}`, result: result.join('; ') };
}

type Ceiling = (record: TimeRecord) => string;

/** "37 %, 4 + 920 + 5 us": the share of the floor, and begin, row and end kernel apart. */
function timeCell(copyGigabytesPerSecond: number | undefined): Ceiling {
  return (record) => {
    const { dtype, rows, vocabSize, pass, milliseconds, beginMilliseconds, rowsMilliseconds, endMilliseconds } = record;
    const bytes = bytesOf({ dtype, shape: { rows, vocabSize } }, pass);
    const floor = copyGigabytesPerSecond && bytes / copyGigabytesPerSecond / 1e6;
    const share = floor ? `${((100 * floor) / milliseconds).toPrecision(3)} %, ` : '';
    const parts = [beginMilliseconds, rowsMilliseconds, endMilliseconds];
    if (parts.every((part) => part !== undefined)) {
      return `${share}${parts.map((part) => Number((1000 * (part as number)).toPrecision(4))).join(' + ')} us`;
    }
    return `${share}${Number((1000 * milliseconds).toPrecision(4))} us`;
  };
}

function timeRows(step: string, times: TimeRecord[], cell: Ceiling): Row[] {
  return [...groupBy(times)].map(([what, group]) => {
    const of = (pass: TimeRecord['pass']) => {
      const record = group.find((each) => each.pass === pass);
      return record ? cell(record) : '';
    };
    return {
      step,
      what,
      result: group[0]?.note ?? '',
      forward: of('forward'),
      outOfPlace: of('out of place'),
      inPlace: of('in place'),
    };
  });
}

const groupOf = ({ dtype, rows, vocabSize, contender, loss }: TimeRecord) =>
  `${dtype} ${shapeName({ rows, vocabSize })}, ${contender === 'fused-bear-loss' ? loss : contender}`;

function groupBy(times: TimeRecord[]): Map<string, TimeRecord[]> {
  const groups = new Map<string, TimeRecord[]>();
  for (const record of times) groups.set(groupOf(record), [...(groups.get(groupOf(record)) ?? []), record]);
  return groups;
}

/** The bandwidth that floors are taken from: that of a copy, read and written together. */
function copyBandwidth({ steps }: DeviceCheckResults): number | undefined {
  const ceilings = ofKind(
    steps.flatMap(({ records }) => records),
    'ceiling',
  );
  return ceilings.find(({ name }) => name === 'copy')?.gigabytesPerSecond;
}

function formatTable(results: DeviceCheckResults): string {
  // A share of a floor that was not measured would say nothing.
  const cell = timeCell(results.emulated ? undefined : copyBandwidth(results));
  const rows = results.steps.flatMap((step) => [
    stepRow(step),
    ...recordRows(step),
    ...timeRows(step.name, ofKind(step.records, 'time'), cell),
  ]);
  const line = (cells: string[]) => `| ${cells.map((text) => text.replaceAll('|', '/')).join(' | ')} |`;
  return [
    line(['step', 'what', 'result', 'forward', 'with gradient', 'in place']),
    line(Array.from({ length: 6 }, () => '---')),
    ...rows.map((row) =>
      line([row.step, row.what, row.result, row.forward ?? '', row.outOfPlace ?? '', row.inPlace ?? '']),
    ),
  ].join('\n');
}

/** The whole Markdown file: what was checked where, the table, the verdict. */
export function formatReport(results: DeviceCheckResults): string {
  const how = results.emulated
    ? 'Emulated: a rehearsal. No figure below is a measurement.'
    : 'Measured. Shares are of the floor: the time that the same bytes take at the bandwidth of a copy.';
  return [
    `# ${results.device?.name ?? 'No device'}, ${results.started.slice(0, 10)}, commit ${results.commit.slice(0, 12)}`,
    '',
    how,
    'Kernels are given apart: begin + row + end.',
    '',
    formatTable(results),
    '',
    verdictOf(results).text,
    '',
  ].join('\n');
}
