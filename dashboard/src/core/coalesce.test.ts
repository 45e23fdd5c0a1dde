import { describe, expect, it } from "vitest";
import { Coalescer, type Clock } from "./coalesce.ts";

class HandClock implements Clock {
  private time = 0;
  private readonly waiting = new Set<{ at: number; run: () => void }>();

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const entry = { at: this.time + ms, run };
    this.waiting.add(entry);
    return () => this.waiting.delete(entry);
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = [...this.waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.waiting.delete(next);
      this.time = next.at;
      next.run();
    }
    this.time = end;
  }
}

function made() {
  const clock = new HandClock();
  const ran: number[] = [];
  return { clock, ran, coalescer: new Coalescer(() => ran.push(clock.now()), 250, clock) };
}

describe("Coalescer", () => {
  it("runs at once after a quiet time", () => {
    const { clock, ran, coalescer } = made();
    clock.pass(1000);
    coalescer.request();
    clock.pass(0);
    expect(ran).toEqual([1000]);
  });

  it("runs at most four times a second however often it is asked", () => {
    const { clock, ran, coalescer } = made();
    for (let i = 0; i < 1000; i += 1) {
      coalescer.request();
      clock.pass(1);
    }
    expect(ran).toEqual([0, 250, 500, 750, 1000]);
  });

  it("does not run while paused, and once after", () => {
    const { clock, ran, coalescer } = made();
    coalescer.pause(true);
    coalescer.request();
    coalescer.request();
    clock.pass(5000);
    expect(ran).toEqual([]);
    coalescer.pause(false);
    clock.pass(1000);
    expect(ran).toEqual([5000]);
  });

  it("forgets a waiting run when stopped", () => {
    const { clock, ran, coalescer } = made();
    coalescer.request();
    coalescer.stop();
    clock.pass(1000);
    expect(ran).toEqual([]);
  });
});
