/** A bounded series of (time, value), ordered by time. Full: the oldest points go. */
export class Ring {
  readonly ts: number[] = [];
  readonly values: number[] = [];
  readonly capacity: number;

  constructor(capacity = 10_000) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.ts.length;
  }

  get lastTs(): number | null {
    return this.ts.at(-1) ?? null;
  }

  /** Add one point; the same time again replaces the value. A point older than everything in a full ring is not kept. */
  push(ts: number, value: number): void {
    const at = this.place(ts);
    if (this.ts[at] === ts) {
      this.values[at] = value;
      return;
    }
    if (at === 0 && this.size >= this.capacity) return;
    this.ts.splice(at, 0, ts);
    this.values.splice(at, 0, value);
    if (this.size > this.capacity + this.capacity / 8) this.dropFirst(this.size - this.capacity);
  }

  /** Forget what is older than `ts`. */
  trimBefore(ts: number): void {
    this.dropFirst(this.place(ts));
  }

  /** Index of the first point at or after `ts`; the usual case, a new last point, is found at once. */
  private place(ts: number): number {
    let high = this.size;
    if (high === 0 || this.ts[high - 1]! < ts) return high;
    let low = 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ts[middle]! < ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private dropFirst(count: number): void {
    if (count <= 0) return;
    this.ts.splice(0, count);
    this.values.splice(0, count);
  }
}
