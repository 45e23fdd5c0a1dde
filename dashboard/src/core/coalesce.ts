export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

export const browserClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * Runs a job soon after it was asked for, but at most once per interval (250 ms: 4 Hz). The first request after a quiet time
 * runs at once. Paused (a hidden page), it remembers one request.
 */
export class Coalescer {
  private last = -Infinity;
  private cancel: (() => void) | null = null;
  private paused = false;
  private waiting = false;
  private readonly run: () => void;
  private readonly intervalMs: number;
  private readonly clock: Clock;

  constructor(run: () => void, intervalMs = 250, clock: Clock = browserClock) {
    this.run = run;
    this.intervalMs = intervalMs;
    this.clock = clock;
  }

  request(): void {
    this.waiting = true;
    if (this.cancel || this.paused) return;
    const wait = Math.max(0, this.last + this.intervalMs - this.clock.now());
    this.cancel = this.clock.after(wait, () => this.fire());
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (paused) this.stop();
    else if (this.waiting) this.request();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private fire(): void {
    this.cancel = null;
    this.waiting = false;
    this.last = this.clock.now();
    this.run();
  }
}
