export interface Candidate {
  score: number;
  /** At equal scores the lower one goes first. */
  id: number;
}

/**
 * Keeps the `capacity` best of the entries offered: higher score first, at equal scores the lower id. A binary heap with the
 * worst kept entry on top, so that an entry that does not get in costs one comparison; ask `takes` before making it.
 */
export class TopSelection<Entry extends Candidate> {
  private readonly heap: Entry[] = [];

  constructor(private readonly capacity: number) {}

  takes(score: number, id: number): boolean {
    if (this.heap.length < this.capacity) return true;
    const worst = this.heap[0] as Entry;
    return score > worst.score || (score === worst.score && id < worst.id);
  }

  offer(entry: Entry): void {
    if (!this.takes(entry.score, entry.id)) return;
    if (this.heap.length < this.capacity) {
      this.heap.push(entry);
      this.rise(this.heap.length - 1);
      return;
    }
    this.heap[0] = entry;
    this.sink();
  }

  /** What was kept, best first. */
  ranked(): Entry[] {
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
    const left = this.heap[a] as Entry;
    const right = this.heap[b] as Entry;
    return left.score === right.score ? left.id > right.id : left.score < right.score;
  }

  private swap(a: number, b: number): void {
    const moved = this.heap[a] as Entry;
    this.heap[a] = this.heap[b] as Entry;
    this.heap[b] = moved;
  }
}
