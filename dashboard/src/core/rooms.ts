/** Which rooms the page wants. Several panels may want one room: it is joined once and left with the last of them. */
export class Rooms {
  private readonly counts = new Map<string, number>();

  /** True when the room must be joined now. */
  acquire(room: string): boolean {
    const count = (this.counts.get(room) ?? 0) + 1;
    this.counts.set(room, count);
    return count === 1;
  }

  /** True when the room must be left now. */
  release(room: string): boolean {
    const count = this.counts.get(room);
    if (count === undefined) return false;
    if (count > 1) {
      this.counts.set(room, count - 1);
      return false;
    }
    return this.counts.delete(room);
  }

  has(room: string): boolean {
    return this.counts.has(room);
  }

  /** Everything to join after a (re)connect: the server remembers nothing of an earlier connection. */
  wanted(): string[] {
    return [...this.counts.keys()];
  }
}
