import { describe, expect, it } from "vitest";
import { drawn, moved, scaled, SHORTEST_MS } from "./zoom.ts";

const NOW = 1_000_000;

describe("zoom", () => {
  it("scales around the middle and never beyond now", () => {
    expect(scaled({ from: 400_000, to: 600_000 }, 0.5, NOW)).toEqual({ from: 450_000, to: 550_000 });
    expect(scaled({ from: 400_000, to: 600_000 }, 2, NOW)).toEqual({ from: 300_000, to: 700_000 });
    expect(scaled({ from: 800_000, to: NOW }, 2, NOW)).toEqual({ from: 600_000, to: NOW });
    expect(scaled({ from: 100_000, to: 900_000 }, 10, NOW)).toEqual({ from: 0, to: NOW });
  });

  it("shows at least a second", () => {
    const { from, to } = scaled({ from: 500_000, to: 500_000 + SHORTEST_MS }, 0.1, NOW);
    expect(to - from).toBe(SHORTEST_MS);
  });

  it("moves and keeps the length", () => {
    expect(moved({ from: 400_000, to: 600_000 }, -0.5, NOW)).toEqual({ from: 300_000, to: 500_000 });
    expect(moved({ from: 700_000, to: 900_000 }, 1, NOW)).toEqual({ from: 800_000, to: NOW });
    expect(moved({ from: 0, to: 200_000 }, -1, NOW)).toEqual({ from: 0, to: 200_000 });
  });

  it("takes what is drawn in either direction, and no click for a stretch", () => {
    expect(drawn(300_000, 100_000, NOW)).toEqual({ from: 100_000, to: 300_000 });
    expect(drawn(300_000, 300_010, NOW)).toBeNull();
  });
});
