import { describe, expect, it } from "vitest";
import type { Measurement } from "../io/types.ts";
import { originOf, qualityOf } from "./quality.ts";

const declared: Measurement = { key: "a", title: "A", unit: "", low: 0, high: 10, interval_s: 10, widget: "number", decimals: 1 };

describe("qualityOf", () => {
  it("is what the server marked", () => {
    expect(qualityOf(declared, { value: 5, ts: 1, quality: "out_of_range" })).toBe("out_of_range");
    expect(qualityOf(declared, { value: 50, ts: 1, quality: null })).toBeNull();
  });

  it("of a reading that came live follows from the declaration", () => {
    expect([-1, 0, 10, 11].map((value) => qualityOf(declared, { value, ts: 1 }))).toEqual(["out_of_range", null, null, "out_of_range"]);
    expect(qualityOf({ ...declared, low: null, high: null }, { value: 1e9, ts: 1 })).toBeNull();
    expect(qualityOf({ ...declared, undeclared: true }, { value: 5, ts: 1 })).toBe("undeclared");
  });

  it("is nothing where nothing was read", () => {
    expect(qualityOf(declared, undefined)).toBeNull();
  });
});

describe("originOf", () => {
  it("is said of what the device did not send itself", () => {
    const from = (source?: string) => originOf({ value: 1, ts: 1, ...(source ? { source } : {}) });
    expect([from(), from("device"), from("simulation")]).toEqual([null, null, null]);
    expect([from("import"), from("manual"), from("other")]).toEqual(["Imported", "Entered by hand", "other"]);
  });
});
