// The one JSON file of a check: `npm run check:device` writes it anew after every step.
import type { CheckKitRecord, DeviceRecord } from './records';

/**
 * ok: the step ran and found nothing. wrong: it found something. failed: it ended without a result. limit: it was ended by
 * its time limit. skipped: something that it needs is not there.
 */
export type StepStatus = 'ok' | 'wrong' | 'failed' | 'limit' | 'skipped';

export interface StepResult {
  name: string;
  status: StepStatus;
  /** Why it is not ok; empty where it is. */
  reason: string;
  seconds: number;
  limitSeconds: number;
  /** Whether the verdict depends on it. Profilers and peers may be refused what they need. */
  decides: boolean;
  records: CheckKitRecord[];
}

export interface DeviceCheckResults {
  format: 1;
  /** On the emulated device: nothing in this file is a measurement. */
  emulated: boolean;
  started: string;
  commit: string;
  /** Undefined: the device did not say what it is. */
  device: DeviceRecord | undefined;
  node: string;
  seconds: number;
  steps: StepResult[];
}

/** Of a check of some steps alone, their pattern is part of the name: it must not take the place of a whole check. */
export function fileNameOf({ device, started, commit }: DeviceCheckResults, pattern = ''): string {
  const words = [device?.name ?? 'no device', started.slice(0, 10), commit.slice(0, 12), pattern];
  return words
    .map((word) =>
      word
        .toLowerCase()
        .match(/[a-z0-9]+/g)
        ?.join('-'),
    )
    .filter(Boolean)
    .join('-');
}

export interface Verdict {
  /** 0: all that decides is right. 1: something is wrong or could not be decided. 2: there is no device. */
  exitCode: 0 | 1 | 2;
  text: string;
}

export function verdictOf({ steps, emulated }: DeviceCheckResults): Verdict {
  const deciding = steps.filter(({ decides }) => decides);
  const bad = deciding.filter(({ status }) => status === 'wrong' || status === 'failed' || status === 'limit');
  const wrong = steps.filter(({ decides, status }) => !decides && status === 'wrong');
  const notRun = steps.filter(({ status, decides }) => status === 'skipped' || (!decides && status !== 'ok'));
  const list = (of: StepResult[]) => of.map(({ name, reason }) => `${name} (${reason})`).join('; ');
  const where = emulated ? 'REHEARSAL on the emulated device, nothing was measured: ' : '';
  const missing = notRun.length > 0 ? ` Not known: ${list(notRun)}.` : '';
  if (bad.length + wrong.length > 0) {
    return { exitCode: 1, text: `${where}WRONG: ${list([...bad, ...wrong])}.${missing}` };
  }
  if (!deciding.some(({ status }) => status === 'ok')) {
    const ran = steps.some(({ status }) => status === 'ok');
    return { exitCode: 1, text: `${where}${ran ? 'NOTHING DECIDED' : 'NOTHING RAN'}.${missing}` };
  }
  return { exitCode: 0, text: `${where}ALL RIGHT.${missing}` };
}
