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

/** What is shown before anybody chose: the first measurement and all that share its axis. */
export function firstShown(measurements: readonly Measurement[]): string[] {
  return groups(measurements)[0]?.members.map(({ measurement }) => measurement.key) ?? [];
}
