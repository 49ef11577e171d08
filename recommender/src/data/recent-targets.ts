import type { Row } from './dataset.js';

/** The targets of the training rows in the order of time: what was bought just before a given moment. */
export class RecentTargets {
  private readonly rows: Row[];

  constructor(train: readonly Row[]) {
    this.rows = [...train].sort((a, b) => a.time - b.time);
  }

  /**
   * Calls `visit` with the targets of the last `count` rows strictly before `time`, newest first, rows of the user `without`
   * left out.
   */
  forEachBefore(
    time: number,
    count: number,
    without: number | undefined,
    visit: (item: number, age: number) => void,
  ): void {
    let seen = 0;
    for (let index = this.firstNotBefore(time) - 1; index >= 0 && seen < count; index--) {
      const { user, target } = this.rows[index] as Row;
      if (user !== without) visit(target, seen++);
    }
  }

  private firstNotBefore(time: number): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.rows[middle] as Row).time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
