/**
 * Made-up histories, the same for the same seed: each item leads to a few others, one of them more often than the rest, so
 * that there is something to learn.
 */
export class Walks {
  private state: number;

  constructor(
    private readonly items: number,
    seed: number,
  ) {
    this.state = seed;
  }

  /** `[rows * length]` items and the one that follows each row. */
  batch(rows: number, length: number): { history: Int32Array; targets: Int32Array } {
    const history = new Int32Array(rows * length);
    const targets = new Int32Array(rows);
    for (let row = 0; row < rows; row++) {
      let item = Math.floor(this.uniform() ** 2 * this.items);
      for (let place = 0; place < length; place++) {
        history[row * length + place] = item;
        item = this.next(item);
      }
      targets[row] = item;
    }
    return { history, targets };
  }

  private next(item: number): number {
    const way = Math.floor(4 * this.uniform() ** 2);
    return (item * 31 + 17 * way + 7) % this.items;
  }

  /** Uniform in [0, 1) (mulberry32). */
  private uniform(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
