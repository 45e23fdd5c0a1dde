import { said } from "./said.ts";

/** What a panel knows about its data: nothing yet, a failure (`missing`: the server says that there is no such thing), or the data. */
export type Loaded<T> = { state: "loading" } | { state: "failed"; message: string; missing: boolean } | { state: "ready"; data: T };

/** More events than this during one request are not kept: the request is made again after its answer. */
const MOST_HELD = 2000;

/**
 * Fetch and keep. Of several requests only the last one's answer counts. What live events change (`tell`) while a request is on
 * its way is applied to its answer too, which may be older than they are; `merge` decides between what is kept and the answer.
 * A failed renewal keeps what is shown; the reconnect banner says that it is old.
 */
export class Resource<T> {
  value: Loaded<T> = { state: "loading" };
  private round = 0;
  private asking = false;
  private readonly held: ((data: T) => void)[] = [];
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

  /** Let an event change what is kept, and the answer that is on its way. It must be harmless when applied twice. */
  tell(event: (data: T) => void): void {
    if (this.data !== null) event(this.data);
    if (this.asking && this.held.length <= MOST_HELD) this.held.push(event);
  }

  /** Forget what is kept, and load anew. */
  restart(): void {
    this.value = { state: "loading" };
    this.held.length = 0;
    void this.load();
  }

  load = async (): Promise<void> => {
    const round = ++this.round;
    this.asking = true;
    try {
      const data = await this.fetchIt();
      if (round === this.round) this.answered(data);
    } catch (error) {
      if (round !== this.round) return;
      this.settle();
      if (this.value.state === "ready") return;
      this.value = { state: "failed", message: said(error), missing: (error as { status?: unknown } | null)?.status === 404 };
      this.changed();
    }
  };

  /**
   * Ask for more of what is kept, such as the next page. When something newer was asked for meanwhile, its answer counts and
   * this one does not. Rejects when the request fails: what is kept stays.
   */
  async extend(more: (known: T) => Promise<T>): Promise<void> {
    if (this.data === null) return;
    const round = this.round;
    const longer = await more(this.data);
    if (round === this.round) this.set(longer);
  }

  private answered(answer: T): void {
    const data = this.data === null ? answer : this.merge(this.data, answer);
    const events = this.settle();
    for (const event of events) event(data);
    this.set(data);
    if (events.length > MOST_HELD) void this.load();
  }

  private settle(): ((data: T) => void)[] {
    this.asking = false;
    return this.held.splice(0);
  }
}
