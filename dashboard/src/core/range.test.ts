import { describe, expect, it } from "vitest";
import { RANGES, rangeOf, redrawMs } from "./range.ts";

describe("ranges", () => {
  it("come from the address, else the first", () => {
    expect([rangeOf("7d").title, rangeOf("nonsense").key, rangeOf(null).key]).toEqual(["7 d", "15m", "15m"]);
  });

  it("redraw at most four times a second and at least every five seconds", () => {
    expect([redrawMs(RANGES[0]!), redrawMs(RANGES.at(-1)!)]).toEqual([250, 5000]);
  });
});
