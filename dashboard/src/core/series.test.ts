import { describe, expect, it } from "vitest";
import { align, dense, maxGap, reach, sparkline, specks, summary } from "./series.ts";

describe("align", () => {
  it("puts series of different times on one axis in seconds, with holes that are drawn over", () => {
    const aligned = align([
      { ts: [1000, 3000], values: [1, 3], gapMs: 5000 },
      { ts: [2000], values: [7], gapMs: 5000 },
    ]);
    expect(aligned).toEqual([[1, 2, 3], [1, undefined, 3], [undefined, 7, undefined]]);
  });

  it("interrupts a line where its series was silent for too long", () => {
    const [times, column] = align([{ ts: [0, 1000, 60_000], values: [1, 2, 3], gapMs: 3000 }]);
    expect(times).toEqual([0, 1, 1.001, 60]);
    expect(column).toEqual([1, 2, null, 3]);
  });

  it("does not interrupt one series for the silence of another", () => {
    const [, first, second] = align([
      { ts: [0, 60_000], values: [1, 2], gapMs: 3000 },
      { ts: [0, 30_000, 60_000], values: [1, 2, 3], gapMs: 30_000 },
    ]);
    expect(first).toContain(null);
    expect(second).not.toContain(null);
  });
});

describe("maxGap", () => {
  it("is a bucket and a half for buckets, and no less than the device's own silence", () => {
    expect(maxGap([0, 60_000], 10, true, 60_000)).toBe(90_000);
    expect(maxGap([0, 60_000], 100, true, 60_000)).toBe(300_000);
  });

  it("is three reporting intervals for raw readings", () => {
    expect(maxGap([0, 1000, 2000, 60_000], 10, false)).toBe(30_000);
  });

  it("is no longer for a device that is mostly silent: what it did not say is not drawn", () => {
    const ts = [0, 60_000, 120_000, 180_000];
    expect(maxGap(ts, 10, false)).toBe(30_000);
    const [, column] = align([{ ts, values: [1, 2, 3, 4], gapMs: maxGap(ts, 10, false) }]);
    expect(column).toEqual([1, null, 2, null, 3, null, 4]);
  });

  it("grows with the usual distance of thinned-out readings", () => {
    expect(maxGap([0, 600_000, 1_200_000, 1_800_000], 10, true)).toBe(1_800_000);
  });

  it("knows what to say about nothing", () => {
    expect([maxGap([], 10, true), maxGap([], 10, false)]).toEqual([30_000, 30_000]);
  });
});

describe("dense", () => {
  it("leaves out the times at which another measurement reported", () => {
    expect(dense([1, 2, 3], [null, 0, 5])).toEqual({ ts: [2, 3], values: [0, 5] });
  });
});

describe("specks", () => {
  it("are stretches too short for a line, each by its last point", () => {
    const times = [0, 1, 2, 3, 50, 51, 100];
    expect(specks(times, [5, undefined, 6, null, 1, null, 9], 3)).toEqual([2, 4, 6]);
    expect(specks(times, [5, undefined, 6, 7, null, undefined, undefined], 3)).toEqual([]);
    expect(specks([], [], 3)).toEqual([]);
  });
});

describe("summary and sparkline", () => {
  it("tells low, high and last", () => {
    expect(summary({ ts: [1, 2, 3], values: [5, -1, 2] })).toEqual({ count: 3, low: -1, high: 5, last: 2 });
    expect(summary({ ts: [], values: [] })).toBeNull();
  });

  it("draws from edge to edge, and a level line in the middle", () => {
    expect(sparkline({ ts: [0, 10], values: [0, 1] }, 100, 20)).toBe("M0.0 19.0L100.0 1.0");
    expect(sparkline({ ts: [0, 10], values: [4, 4] }, 100, 20)).toBe("M0.0 10.0L100.0 10.0");
    expect(sparkline({ ts: [0], values: [4] }, 100, 20)).toBe("");
  });
});

describe("reach", () => {
  it("takes lowest and highest from the band, the last from the line", () => {
    const data = { ts: [0, 60], values: [5, 6] };
    expect(reach(data, { ts: [0, 60], low: [1, null], high: [7, 99] })).toEqual({ count: 2, low: 1, high: 99, last: 6 });
    expect(reach(data, undefined)).toEqual(summary(data));
    expect(reach({ ts: [], values: [] }, { ts: [], low: [], high: [] })).toBeNull();
  });
});
