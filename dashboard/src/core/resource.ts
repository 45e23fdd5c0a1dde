/** What a panel knows about its data: nothing yet, a failure, or the data. */
export type Loaded<T> = { state: "loading" } | { state: "failed"; message: string } | { state: "ready"; data: T };

/**
 * Fetch and keep. Of several requests only the last one's answer counts. Live events may change what is kept while a request is
 * on its way, so an answer may be older than that: `merge` decides. A failed renewal keeps what is shown; the reconnect banner
 * says that it is old.
 */
export class Resource<T> {
  value: Loaded<T> = { state: "loading" };
  private round = 0;
  private readonly fetchIt: () => Promise<T>;
  private readonly changed: () => void;
  private readonly merge: (known: T, answer: T) => T;

  constructor(fetchIt: () => Promise<T>, changed: () => void, merge: (known: T, answer: T) => T = (_, answer) => answer) {
    this.fetchIt = fetchIt;
    this.changed = changed;
    this.merge = merge;
  }

  get data(): T | null {
    return this.value.state === "ready" ? this.value.data : null;
  }

  set(data: T): void {
    this.value = { state: "ready", data };
    this.changed();
  }

  load = async (): Promise<void> => {
    const round = ++this.round;
    try {
      const data = await this.fetchIt();
      if (round === this.round) this.set(this.data === null ? data : this.merge(this.data, data));
    } catch (error) {
      if (round !== this.round || this.value.state === "ready") return;
      this.value = { state: "failed", message: error instanceof Error ? error.message : String(error) };
      this.changed();
    }
  };
}
