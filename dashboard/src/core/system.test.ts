import { describe, expect, it } from "vitest";
import type { SystemStatus } from "../io/types.ts";
import { alarms } from "./system.ts";

describe("alarms", () => {
  const well: SystemStatus = { ready: true, services: { edge: { state: "ready" } }, disk: { used: 1e9, free: 50e9, days_left: 40 }, bus_ok: true, live: "ok", version: "1" };

  it("are silent when all is well, or when the growth of the disk is not known yet", () => {
    expect(alarms(well)).toEqual([]);
    expect(alarms({ ...well, disk: { ...well.disk, days_left: null } })).toEqual([]);
    expect(alarms({ ...well, disk: {} })).toEqual([]);
  });

  it("name the service, the bus and the disk", () => {
    expect(alarms({ ...well, ready: false, services: { edge: { state: "restarting" } } })).toEqual(["Service edge is restarting."]);
    expect(alarms({ ...well, bus_ok: false })[0]).toMatch(/event bus/);
    expect(alarms({ ...well, disk: { used: 1e9, free: 50e9, days_left: 3.5 } })[0]).toMatch(/about 3 days/);
    expect(alarms({ ...well, disk: { used: 99e9, free: 1e9, days_left: null } })[0]).toMatch(/1 GB of disk/);
    expect(alarms({ ...well, disk: { paused: true, days_left: 0 } })).toHaveLength(1);
  });
});
