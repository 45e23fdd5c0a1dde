import { describe, expect, it } from "vitest";
import type { Property } from "../io/types.ts";
import { control, initial, parse, rangeText, step } from "./property.ts";

const property = (more: Partial<Property>): Property => ({
  key: "p", title: "P", kind: "number", unit: "", low: null, high: null, options: [], writable: true, default: null, ...more,
});

describe("control", () => {
  it("follows the declaration", () => {
    expect(control(property({ low: 0, high: 1 }))).toBe("slider");
    expect(control(property({ low: 0 }))).toBe("number");
    expect(control(property({ kind: "boolean" }))).toBe("switch");
    expect(control(property({ kind: "string" }))).toBe("text");
    expect(control(property({ kind: "string", options: ["a", "b"] }))).toBe("radio");
    expect(control(property({ kind: "string", options: ["a", "b", "c", "d", "e", "f"] }))).toBe("select");
  });

  it("moves in steps that suit the range", () => {
    expect([step(property({ low: 0, high: 1 })), step(property({ low: 0, high: 10 })), step(property({ low: 35, high: 75 })), step(property({ kind: "integer" }))]).toEqual([0.01, 0.1, 0.5, 1]);
    expect(rangeText(property({ low: 35, high: 75, unit: "°C" }))).toBe("35 to 75 °C");
    expect([rangeText(property({ low: 1 })), rangeText(property({ high: 2.5 })), rangeText(property({}))]).toEqual(["at least 1", "at most 2.50", ""]);
  });
});

describe("parse", () => {
  it("gives the declared type", () => {
    expect(parse(property({}), " 2.5 ")).toEqual({ ok: true, value: 2.5 });
    expect(parse(property({ kind: "boolean" }), true)).toEqual({ ok: true, value: true });
    expect(parse(property({ kind: "string" }), " a ")).toEqual({ ok: true, value: "a" });
  });

  it("says what is wrong", () => {
    const bounded = property({ low: 35, high: 75, unit: "°C" });
    expect(parse(bounded, "80")).toEqual({ ok: false, reason: "must be at most 75 °C" });
    expect(parse(bounded, "3")).toEqual({ ok: false, reason: "must be at least 35 °C" });
    expect(parse(bounded, "")).toEqual({ ok: false, reason: "must be a number" });
    expect(parse(property({ kind: "integer" }), "1.5")).toEqual({ ok: false, reason: "must be a whole number" });
    expect(parse(property({ kind: "string", options: ["a", "b"] }), "c")).toEqual({ ok: false, reason: "must be one of a, b" });
  });

  it("starts a form at the default, else at the low end; among options nothing is chosen", () => {
    expect([initial(property({ default: 60, low: 35 })), initial(property({ low: 35 })), initial(property({ kind: "boolean" })), initial(property({ kind: "string", options: ["x"] }))]).toEqual(["60", "35", false, ""]);
  });
});
