import { describe, expect, it } from "vitest";
import type { Device, Presence } from "../io/types.ts";
import { mergeDevice, mergeLatest, mergeSnapshot, Sequences, type LatestByMeasurement } from "./merge.ts";

describe("latest values", () => {
  it("come in any order: the newest by event time stays", () => {
    const latest: LatestByMeasurement = {};
    expect(mergeLatest(latest, "a", { value: 1, ts: 100, quality: "out_of_range" })).toBe(true);
    expect(mergeLatest(latest, "a", { value: 2, ts: 50 })).toBe(false);
    expect(mergeLatest(latest, "a", { value: 3, ts: 100 })).toBe(true);
    expect(latest).toEqual({ a: { value: 3, ts: 100 } });
  });

  it("survive a snapshot that is older than what came live", () => {
    const latest = { a: { value: 9, ts: 200 } };
    mergeSnapshot(latest, { a: { value: 1, ts: 100 }, b: { value: 2, ts: 100, quality: "undeclared" } });
    expect(latest).toEqual({ a: { value: 9, ts: 200 }, b: { value: 2, ts: 100, quality: "undeclared" } });
  });
});

describe("mergeDevice", () => {
  const presence = (connected: boolean, since: string | number): Presence => ({ connected, since, reason: null, session: 1 });
  const device = (more: Partial<Device>): Device => ({
    id: "d", device_type: "t", manufacturer: "", organization: "", kind: "device", simulated: false, status: "active", created_at: "", last_connected: null,
    presence: null, status_text: null, last_data_at: null, stale: false, stale_after_s: 30, latest: {}, ...more,
  });

  it("lets an older answer take nothing back", () => {
    const known = device({ presence: presence(false, 2000), last_data_at: 50, latest: { a: { value: 2, ts: 50 } } });
    const answer = device({ status: "disabled", presence: presence(true, "1970-01-01T00:00:01Z"), last_data_at: 40, latest: { a: { value: 1, ts: 40 } } });
    expect(mergeDevice(known, answer)).toEqual({ ...known, status: "disabled" });
  });

  it("takes a newer answer as it is, and that of another device", () => {
    const answer = device({ presence: presence(true, "1970-01-01T00:00:03Z"), last_data_at: 60, latest: { a: { value: 3, ts: 60 } } });
    expect(mergeDevice(device({ presence: presence(false, 2000) }), answer)).toEqual(answer);
    expect(mergeDevice(device({ id: "other", last_data_at: 99 }), answer)).toBe(answer);
    expect(mergeDevice(undefined, answer)).toBe(answer);
  });
});

describe("Sequences", () => {
  it("tells the next, a gap, and what is old, room by room", () => {
    const sequences = new Sequences();
    expect(sequences.check("a", 7)).toBe("ok");
    expect(sequences.check("a", 8)).toBe("ok");
    expect(sequences.check("b", 1)).toBe("ok");
    expect(sequences.check("a", 10)).toBe("gap");
    expect(sequences.check("a", 10)).toBe("old");
  });

  it("starts anew when a room is joined again or the connection is new", () => {
    const sequences = new Sequences();
    sequences.check("a", 50);
    sequences.forget("a");
    expect(sequences.check("a", 1)).toBe("ok");
    sequences.reset();
    expect(sequences.check("a", 1)).toBe("ok");
  });
});
