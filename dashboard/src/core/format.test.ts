import { describe, expect, it } from "vitest";
import { axisTimes, bytes, category, guessed, localTime, members, number, onOff, plain, plural, utc, withUnit, words } from "./format.ts";

describe("numbers", () => {
  it("have the declared digits; nothing is a dash", () => {
    expect(number(1234.56, 1)).toBe("1,234.6");
    expect(number(0, 2)).toBe("0.00");
    expect([number(null), number(undefined), number(NaN)]).toEqual(["–", "–", "–"]);
    expect(withUnit(number(null), "bar")).toBe("–");
    expect(withUnit("3", "bar")).toBe("3 bar");
  });

  it("of bytes and things are for people", () => {
    expect([bytes(999), bytes(1500), bytes(482e6), bytes(51.4e9)]).toEqual(["999 B", "1.5 KB", "482 MB", "51 GB"]);
    expect([plural(1, "day"), plural(0, "day"), plural(2, "entry", "entries")]).toEqual(["1 day", "0 days", "2 entries"]);
  });
});

describe("values", () => {
  it("of any JSON kind fit in a line", () => {
    expect([plain(true), plain(null), plain(1.23456), plain("in_use"), plain({ a: 1 })]).toEqual(["on", "–", "1.235", "in use", '{"a":1}']);
    expect([onOff(0), onOff(1), onOff(undefined)]).toEqual(["Off", "On", "–"]);
    expect(words("in_progress")).toBe("in progress");
    expect([category("tls"), category("client_id")]).toEqual(["TLS", "Client id"]);
  });

  it("of unknown meaning are times only when they can be nothing else", () => {
    const noon = new Date(2026, 10, 25, 12, 0, 5).getTime();
    expect(guessed(noon)).toMatch(/12:00:05$/);
    expect([guessed(1234), guessed(true), guessed(noon + 0.5)]).toEqual(["1,234", "yes", plain(noon + 0.5)]);
  });

  it("that a device added are named, and its truths are answers, not switches", () => {
    expect(members({ cut_out: true, sensor: false, temperature: 20.5 })).toBe("cut out: yes, sensor: no, temperature: 20.5");
    expect([members(null), members("x"), members({})]).toEqual(["", "", ""]);
  });
});

describe("times", () => {
  const noon = new Date(2026, 10, 25, 12, 0, 5).getTime();

  it("are local, with the day unless it is today", () => {
    expect(localTime(noon, noon)).toBe("12:00:05");
    expect(localTime(noon, noon + 86_400_000)).toMatch(/25 Nov.*12:00:05/);
    expect(localTime("nonsense")).toBe("–");
    expect(utc(Date.UTC(2026, 10, 25, 1, 2, 3, 4))).toBe("2026-11-25 01:02:03 UTC");
  });

  it("label an axis as finely as its ticks stand, and name the day where it begins", () => {
    const at = (hour: number, minute = 0, second = 0) => new Date(2026, 10, 25, hour, minute, second).getTime() / 1000;
    expect(axisTimes([at(12, 1), at(12, 2)], 60)).toEqual(["12:01", "12:02"]);
    expect(axisTimes([at(12, 0, 5)], 5)).toEqual(["12:00:05"]);
    expect(axisTimes([at(0), at(6)], 21_600)).toEqual(["25 Nov", "06:00"]);
    expect(axisTimes([at(12)], 86_400)).toEqual(["25 Nov"]);
  });
});
