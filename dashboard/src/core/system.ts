import type { SystemStatus } from "../io/types.ts";
import { bytes, plural } from "./format.ts";

/** Fewer days than this until the disk is full, and somebody must act. */
const FEW_DAYS = 7;
/** Intake pauses at 5 %; this is before that. Without a total size, the share is reckoned of what the platform and the free space make up. */
const LITTLE_FREE = 0.08;

/** What is wrong with the platform itself, in sentences; empty when nothing is. */
export function alarms({ ready, services, disk, bus_ok }: SystemStatus): string[] {
  const down = Object.entries(services).filter(([, { state }]) => state !== "ready");
  const found = down.map(([name, { state }]) => `Service ${name} is ${state}.`);
  if (!ready && !down.length) found.push("The platform is not ready: its database does not answer.");
  if (!bus_ok) found.push("The event bus is interrupted: values reach this page late. Nothing is lost.");
  return [...found, ...diskAlarms(disk)];
}

function diskAlarms({ used, free, days_left, paused }: SystemStatus["disk"]): string[] {
  if (paused) return ["The disk is nearly full: intake is paused, devices keep their readings until there is room."];
  if (days_left != null && days_left < FEW_DAYS) return [`The disk is full in about ${plural(Math.floor(days_left), "day")} at this rate.`];
  if (free != null && used != null && free < LITTLE_FREE * (free + used)) return [`Only ${bytes(free)} of disk are free.`];
  return [];
}
