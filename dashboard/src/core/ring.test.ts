import { describe, expect, it } from "vitest";
import { Ring } from "./ring.ts";

const filled = (points: [number, number][], capacity?: number) => {
  const ring = new Ring(capacity);
  for (const [ts, value] of points) ring.push(ts, value);
  return ring;
};

describe("Ring", () => {
  it("keeps points in order of time however they arrive", () => {
    const ring = filled([[10, 1], [30, 3], [20, 2]]);
    expect(ring.ts).toEqual([10, 20, 30]);
    expect(ring.values).toEqual([1, 2, 3]);
  });

  it("replaces the value of a time that comes again", () => {
    expect(filled([[10, 1], [20, 2], [10, 9]]).values).toEqual([9, 2]);
  });

  it("stays near its capacity and lets the oldest go", () => {
    const ring = filled(Array.from({ length: 1000 }, (_, i) => [i, i]), 80);
    expect(ring.size).toBeLessThanOrEqual(90);
    expect(ring.size).toBeGreaterThanOrEqual(80);
    expect(ring.lastTs).toBe(999);
    expect(ring.ts[0]).toBeGreaterThan(900);
  });

  it("does not take a point older than everything when full", () => {
    const ring = filled([[10, 1], [20, 2], [30, 3]], 3);
    ring.push(5, 0);
    expect(ring.ts).toEqual([10, 20, 30]);
  });

  it("forgets what is older than a moment", () => {
    const ring = filled([[10, 1], [20, 2], [30, 3]]);
    ring.trimBefore(20);
    expect(ring.ts).toEqual([20, 30]);
    ring.trimBefore(100);
    expect(ring.size).toBe(0);
    expect(ring.lastTs).toBeNull();
  });
});
