import { describe, expect, it } from "vitest";
import type { Measurement } from "../io/types.ts";
import { outside, outsideText } from "./outside.ts";

const water: Measurement = { key: "t", title: "Water", unit: "°C", low: 0, high: 100, interval_s: 10, widget: "gauge", decimals: 1 };

describe("outside", () => {
  it("counts readings beyond the declared range, and none on its edge", () => {
    const data = { ts: [1, 2, 3, 4], values: [0, 999, 100, -5] };
    expect(outside(water, data, undefined)).toEqual({ count: 2, lowest: -5, highest: 999 });
    expect(outside(water, { ts: [1, 2], values: [0, 100] }, undefined)).toBeNull();
    expect(outside({ ...water, low: null, high: null }, data, undefined)).toBeNull();
  });

  it("looks at the lowest and highest of a bucket, whose mean may be within", () => {
    const data = { ts: [1, 2], values: [50, 60] };
    expect(outside(water, data, { ts: [1, 2, 3], low: [40, -1, null], high: [60, 120, null] })).toEqual({ count: 1, lowest: -1, highest: 120 });
  });
});

describe("outsideText", () => {
  it("says how many, of what range, and how far", () => {
    expect(outsideText(water, { count: 1, lowest: null, highest: 999 }, false)).toBe("Water: 1 reading is out of range (0 … 100 °C): highest 999.0 °C.");
    expect(outsideText({ ...water, high: null }, { count: 3, lowest: -5, highest: null }, true)).toBe(
      "Water: at least 3 readings are out of range (from 0 °C): lowest -5.0 °C.",
    );
  });
});
