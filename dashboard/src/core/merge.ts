import type { Device, Presence } from "../io/types.ts";
import { toMs } from "./format.ts";
import type { Quality } from "./quality.ts";

/** [device, time in ms, measurement, value, simulated] as the live channel sends it. */
export type Point = [device: string, ts: number, measurement: string, value: number, simulated: boolean];
export interface Latest {
  value: number;
  ts: number;
  /** As the server marked it; what comes live is not marked. */
  quality?: Quality | null;
  /** Where it comes from, as the server says; what comes live comes from the device. */
  source?: string;
}
export type LatestByMeasurement = Record<string, Latest>;

/** Keep a reading when it is newer than the one we have; a snapshot and live points may then arrive in any order. */
export function mergeLatest(into: LatestByMeasurement, measurement: string, reading: Latest): boolean {
  const known = into[measurement];
  if (known && known.ts > reading.ts) return false;
  into[measurement] = reading;
  return true;
}

export function mergeSnapshot(into: LatestByMeasurement, snapshot: LatestByMeasurement): void {
  for (const [measurement, reading] of Object.entries(snapshot)) mergeLatest(into, measurement, reading);
}

/** A reading of the device came. */
export function hear(device: Device, measurement: string, reading: Latest): void {
  mergeLatest(device.latest, measurement, reading);
  device.last_data_at = Math.max(device.last_data_at ?? 0, reading.ts);
}

/** The device came or went; what is older than what is known is left out. */
export function setPresence(device: Device, presence: Presence): void {
  if ((toMs(presence.since) ?? Infinity) >= since(device)) device.presence = presence;
}

/** What is known of a device and an answer about it: the newest of each reading, and of its presence. */
export function mergeDevice(known: Device | undefined, answer: Device): Device {
  if (known?.id !== answer.id) return answer;
  mergeSnapshot(answer.latest, known.latest);
  const presence = since(known) > since(answer) ? known.presence : answer.presence;
  return { ...answer, presence, last_data_at: Math.max(known.last_data_at ?? 0, answer.last_data_at ?? 0) || null };
}

function since({ presence }: Device): number {
  return toMs(presence?.since) ?? -Infinity;
}

/** Watches the sequence numbers of each room. A gap means that something was missed: fetch a snapshot. */
export class Sequences {
  private readonly seen = new Map<string, number>();

  check(room: string, seq: number): "ok" | "gap" | "old" {
    const last = this.seen.get(room);
    if (last !== undefined && seq <= last) return "old";
    this.seen.set(room, seq);
    return last === undefined || seq === last + 1 ? "ok" : "gap";
  }

  /** After a reconnect the server may count anew. */
  reset(): void {
    this.seen.clear();
  }

  forget(room: string): void {
    this.seen.delete(room);
  }
}
