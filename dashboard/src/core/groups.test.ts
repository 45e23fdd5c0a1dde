import { describe, expect, it } from "vitest";
import type { Measurement } from "../io/types.ts";
import { COLOURS, firstShown, groups } from "./groups.ts";

const measurement = (key: string, unit: string, widget: Measurement["widget"] = "number"): Measurement => ({ key, title: key, unit, low: null, high: null, interval_s: 10, widget, decimals: 1 });
const all = [measurement("t1", "°C"), measurement("p", "W"), measurement("t2", "°C"), measurement("on", "", "switch"), measurement("n", "")];

describe("groups", () => {
  it("make one chart for each unit, switches apart", () => {
    const keys = groups(all).map(({ members }) => members.map((m) => m.measurement.key));
    expect(keys).toEqual([["t1", "t2"], ["p"], ["on"], ["n"]]);
    expect(groups(all).map(({ discrete }) => discrete)).toEqual([false, false, true, false]);
  });

  it("give the members of a chart colours of their own, for as long as there are colours", () => {
    const many = Array.from({ length: COLOURS + 1 }, (_, i) => measurement(`t${i}`, "°C"));
    const colours = groups(many)[0]!.members.map(({ colour }) => colour);
    expect(new Set(colours.slice(0, COLOURS)).size).toBe(COLOURS);
    expect(colours[COLOURS]).toBe(0);
  });

  it("begin with the first measurement that has readings and its kin", () => {
    const among = (...keys: string[]) => (key: string) => keys.includes(key);
    expect(firstShown(all, among("t2", "p"))).toEqual(["t1", "t2"]);
    expect(firstShown(all, among("n", "on"))).toEqual(["on"]);
    expect(firstShown(all, among())).toEqual(["t1", "t2"]);
    expect(firstShown([], among("p"))).toEqual([]);
  });

  it("stay with what was shown while it has readings", () => {
    const has = (key: string) => key !== "on";
    expect(firstShown(all, has, ["n"])).toEqual(["n"]);
    expect(firstShown(all, has, ["on"])).toEqual(["t1", "t2"]);
  });
});
