import { describe, expect, it } from "vitest";
import { ago, isStale } from "./stale.ts";

describe("staleness", () => {
  it("begins after a time, if it is known, or when nothing ever came", () => {
    expect([isStale(1000, 31_000, 30), isStale(1000, 31_001, 30), isStale(1000, 1e12, null)]).toEqual([false, true, false]);
    expect([isStale(null, 0, 30), isStale(null, 0, null)]).toEqual([true, true]);
  });

  it("is told in words", () => {
    expect([ago(null, 0), ago(0, 1000), ago(0, 30_000), ago(0, 600_000), ago(0, 7_200_000), ago(0, 3 * 86_400_000), ago(5000, 0)]).toEqual(["never", "now", "30 s ago", "10 min ago", "2 h ago", "3 d ago", "now"]);
  });
});
