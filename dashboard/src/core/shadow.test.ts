import { describe, expect, it } from "vitest";
import type { Property } from "../io/types.ts";
import { changedAt, same, shadowRows } from "./shadow.ts";

const declared: Property[] = [{ key: "a", title: "A", kind: "number", unit: "°C", low: null, high: null, options: [], writable: true, default: null }];
const states = (state: object) => Object.fromEntries(shadowRows(declared, { state, version: 1 }).map((row) => [row.key, row.state]));

describe("shadowRows", () => {
  it("tells for each property whether the device is there yet", () => {
    expect(states({ desired: { a: 1 }, reported: { a: 1 } })).toEqual({ a: "converged" });
    expect(states({ desired: { a: 1 }, reported: { a: 2 } })).toEqual({ a: "pending" });
    expect(states({ desired: { a: 1 } })).toEqual({ a: "pending" });
    expect(states({ reported: { a: 1 } })).toEqual({ a: "reported" });
    expect(states({})).toEqual({ a: "unset" });
  });

  it("shows what nobody declared as well", () => {
    expect(states({ reported: { a: 1, other: { x: 1 } } })).toEqual({ a: "reported", other: "reported" });
  });
});

describe("same", () => {
  it("compares as the shadow does: members in any order, arrays whole", () => {
    expect(same({ x: 1, y: { z: 2 } }, { y: { z: 2, more: 1 }, x: 1 })).toBe(true);
    expect(same({ x: 1 }, { x: 2 })).toBe(false);
    expect(same([1, 2], [2, 1])).toBe(false);
    expect(same([1, 2], [1, 2])).toBe(true);
    expect(same(1, "1")).toBe(false);
  });
});

describe("changedAt", () => {
  it("is in milliseconds, and nothing for a document that was never written", () => {
    expect(changedAt({ state: {}, version: 1, timestamp: 1_764_000_000 })).toBe(1_764_000_000_000);
    expect(changedAt({ state: {}, version: 0 })).toBeUndefined();
    expect(changedAt(null)).toBeUndefined();
  });
});
