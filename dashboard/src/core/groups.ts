import type { Measurement } from "../io/types.ts";

/** Measurements that share a vertical axis. */
export interface Group {
  key: string;
  unit: string;
  /** On and off: drawn as steps between two values. */
  discrete: boolean;
  members: Member[];
}
export interface Member {
  measurement: Measurement;
  /** Which series colour and dash; stays the same whatever else is shown. */
  colour: number;
}

export const COLOURS = 5;

/** One chart for each unit: degrees and watts never share an axis. Counts and switches have no unit but do not mix either. */
export function groups(measurements: readonly Measurement[]): Group[] {
  const found = new Map<string, Group>();
  for (const measurement of measurements) {
    const discrete = measurement.widget === "switch";
    const key = discrete ? "on/off" : `unit:${measurement.unit}`;
    const group = found.get(key) ?? { key, unit: measurement.unit, discrete, members: [] };
    group.members.push({ measurement, colour: group.members.length % COLOURS });
    found.set(key, group);
  }
  return [...found.values()];
}

/**
 * What is shown before anybody chose: the first measurement that has readings and all that share its axis, or the very first.
 * What was shown before stays while it has some: nothing changes under the eyes of whoever looks.
 */
export function firstShown(measurements: readonly Measurement[], has: (key: string) => boolean, before: readonly string[] = []): readonly string[] {
  if (before.some(has)) return before;
  const keys = groups(measurements).map(({ members }) => members.map(({ measurement }) => measurement.key));
  return keys.find((own) => own.some(has)) ?? keys[0] ?? [];
}
