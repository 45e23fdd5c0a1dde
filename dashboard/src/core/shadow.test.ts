import { describe, expect, it } from "vitest";
import type { Property } from "../io/types.ts";
import { changedAt, plain, same, shadowRows, stateText } from "./shadow.ts";

const declared: Property[] = [{ key: "a", title: "A", kind: "number", unit: "°C", low: null, high: null, options: [], writable: true, default: null }];
const states = (state: object) => Object.fromEntries(shadowRows(declared, { state, version: 1 }).map((row) => [row.key, row.state]));

describe("shadowRows", () => {
  it("tells for each property whether the device is there yet", () => {
    expect(states({ desired: { a: 1 }, reported: { a: 1 } })).toEqual({ a: "applied" });
    expect(states({ desired: { a: 1 }, reported: { a: 2 } })).toEqual({ a: "pending" });
    expect(states({ desired: { a: 1 } })).toEqual({ a: "pending" });
    expect(states({ reported: { a: 1 } })).toEqual({ a: "reported" });
    expect(states({})).toEqual({ a: "unset" });
  });

  it("believes the platform, which knows the device's answers", () => {
    const since = "2026-01-01T00:00:00Z";
    const convergence = { a: { state: "refused" as const, since, code: 400, reason: "above 60 °C" } };
    const state = { desired: { a: 70 }, reported: { a: { value: 60, ac: 400, av: 3, ad: "above 60 °C" } } };
    const [row] = shadowRows(declared, { state, version: 4, convergence });
    expect(row).toMatchObject({ state: "refused", reason: "above 60 °C", reported: 60, since });
  });

  it("shows what nobody declared as well", () => {
    expect(states({ reported: { a: 1, other: { x: 1 } } })).toEqual({ a: "reported", other: "reported" });
  });
});

describe("plain", () => {
  it("takes the value out of an answer, and leaves every other value alone", () => {
    expect(plain({ value: 60, ac: 200, av: 1, ad: "" })).toBe(60);
    expect(plain({ ac: 500, av: 1 })).toBeUndefined();
    for (const value of [60, null, [1], { ac: 21 }, { value: 1 }, { value: 1, ac: 200, more: 1 }]) expect(plain(value)).toEqual(value);
  });
});

describe("stateText", () => {
  it("says it in words, with the device's reason", () => {
    expect(stateText({ state: "refused", reason: "above 60 °C" })).toBe("Refused by the device: above 60 °C");
    expect(stateText({ state: "failed", reason: "" })).toBe("Failed");
    expect(stateText({ state: "in_progress", reason: "heating" })).toBe("In progress: heating");
    expect(stateText({ state: "pending", reason: "" })).toBe("Pending");
    expect(stateText({ state: "applied", reason: "" })).toBe("In effect");
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
