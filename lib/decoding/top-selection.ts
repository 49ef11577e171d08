export interface Selected {
  score: number;
  id: number;
  tag: number;
}

/**
 * Keeps the `capacity` best of the entries offered: higher score first, at equal scores the lower id; `tag` comes along.
 * A binary heap with the worst kept entry on top, so that an entry that does not get in costs one comparison and no memory.
 */
export class TopSelection {
  private readonly heap: Selected[] = [];

  constructor(private readonly capacity: number) {}

  offer(score: number, id: number, tag: number): void {
    if (this.heap.length < this.capacity) {
      this.heap.push({ score, id, tag });
      this.rise(this.heap.length - 1);
      return;
    }
    const worst = this.heap[0] as Selected;
    if (score < worst.score || (score === worst.score && id >= worst.id)) return;
    this.heap[0] = { score, id, tag };
    this.sink();
  }

  /** What was kept, best first. */
  ranked(): Selected[] {
    return [...this.heap].sort((a, b) => b.score - a.score || a.id - b.id);
  }

  private rise(start: number): void {
    for (let index = start; index > 0; ) {
      const above = (index - 1) >> 1;
      if (!this.isWorse(index, above)) return;
      this.swap(index, above);
      index = above;
    }
  }

  private sink(): void {
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      if (left >= this.heap.length) return;
      const worse = left + 1 < this.heap.length && this.isWorse(left + 1, left) ? left + 1 : left;
      if (!this.isWorse(worse, index)) return;
      this.swap(index, worse);
      index = worse;
    }
  }

  private isWorse(a: number, b: number): boolean {
    const left = this.heap[a] as Selected;
    const right = this.heap[b] as Selected;
    return left.score === right.score ? left.id > right.id : left.score < right.score;
  }

  private swap(a: number, b: number): void {
    const moved = this.heap[a] as Selected;
    this.heap[a] = this.heap[b] as Selected;
    this.heap[b] = moved;
  }
}
