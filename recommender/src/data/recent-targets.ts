import type { Row } from './dataset.js';

/** The targets of the training rows in the order of time: what was bought just before a given moment. */
export class RecentTargets {
  /** In the order of time. */
  readonly rows: readonly Row[];

  constructor(train: readonly Row[]) {
    this.rows = [...train].sort((a, b) => a.time - b.time);
  }

  /**
   * Calls `visit` with the places in `rows` of the last `count` rows strictly before `time`, newest first, rows of the user
   * `without` left out.
   */
  forEachBefore(
    time: number,
    count: number,
    without: number | undefined,
    visit: (place: number, age: number) => void,
  ): void {
    let seen = 0;
    for (let index = this.firstNotBefore(time) - 1; index >= 0 && seen < count; index--) {
      if ((this.rows[index] as Row).user !== without) visit(index, seen++);
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
