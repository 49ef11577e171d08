// What has been checked, for the table and the last line.
import Table from 'cli-table3';

export interface Skip {
  name: string;
  reason: string;
}

interface Line {
  part: string;
  subject: string;
  passed: number;
  failures: { name: string; message: string }[];
  skipped: Skip[];
  milliseconds: number;
}

/** Checks of one subject: a runtime, a package manager. */
export class Checks {
  readonly #line: Line;
  readonly #started = performance.now();

  constructor(part: string, subject: string) {
    this.#line = { part, subject, passed: 0, failures: [], skipped: [], milliseconds: 0 };
  }

  async check(name: string, body: () => unknown): Promise<void> {
    try {
      await body();
      this.#line.passed += 1;
    } catch (error) {
      this.fail(name, error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  pass(count: number): void {
    this.#line.passed += count;
  }

  fail(name: string, message: string): void {
    this.#line.failures.push({ name, message });
  }

  skip(name: string, reason: string): void {
    this.#line.skipped.push({ name, reason });
  }

  end(): Line {
    return { ...this.#line, milliseconds: performance.now() - this.#started };
  }
}

/** All lines, printed as they come. */
export class Tally {
  readonly #lines: Line[] = [];

  add(checks: Checks): void {
    const line = checks.end();
    this.#lines.push(line);
    for (const { name, message } of line.failures) console.log(`FAILED ${line.subject}: ${name}\n${message}\n`);
    const { subject, passed, failures, skipped, milliseconds } = line;
    const seconds = (milliseconds / 1000).toFixed(1);
    console.log(`${subject}: ${passed} passed, ${failures.length} failed, ${skipped.length} skipped, ${seconds} s`);
  }

  counts(): { passed: number; failed: number; skipped: number } {
    const sum = (of: (line: Line) => number) => this.#lines.reduce((total, line) => total + of(line), 0);
    return {
      passed: sum(({ passed }) => passed),
      failed: sum(({ failures }) => failures.length),
      skipped: sum(({ skipped }) => skipped.length),
    };
  }

  /** The table, and why what was skipped was. */
  print(): void {
    const table = new Table({
      head: ['part', 'subject', 'passed', 'failed', 'skipped', 's'],
      colAligns: ['left', 'left', 'right', 'right', 'right', 'right'],
      style: { head: [], border: [], compact: true },
    });
    for (const { part, subject, passed, failures, skipped, milliseconds } of this.#lines) {
      table.push([part, subject, passed, failures.length, skipped.length, (milliseconds / 1000).toFixed(1)]);
    }
    console.log(`\n${table}\n`);
    const subjects = new Map<string, Set<string>>();
    for (const { subject, skipped } of this.#lines) {
      for (const { name, reason } of skipped) {
        const what = reason === '' ? name : `${name} (${reason})`;
        subjects.set(what, (subjects.get(what) ?? new Set()).add(subject));
      }
    }
    for (const [what, of] of subjects) {
      console.log(`skipped on ${of.size > 3 ? `${of.size} subjects` : [...of].join('; ')}: ${what}`);
    }
  }
}
