export interface Range {
  key: string;
  title: string;
  ms: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export const RANGES: readonly Range[] = [
  { key: "15m", title: "15 min", ms: 15 * MINUTE },
  { key: "1h", title: "1 h", ms: HOUR },
  { key: "6h", title: "6 h", ms: 6 * HOUR },
  { key: "24h", title: "24 h", ms: 24 * HOUR },
  { key: "7d", title: "7 d", ms: 7 * 24 * HOUR },
  { key: "30d", title: "30 d", ms: 30 * 24 * HOUR },
  { key: "1y", title: "1 y", ms: 365 * 24 * HOUR },
];

/** The range of an address; without one, or with one that does not exist, the shortest. */
export function rangeOf(key: string | null): Range {
  return RANGES.find((range) => range.key === key) ?? RANGES[0]!;
}

/** Redraw for new points at most four times a second, and no more often than a quarter of a pixel of a wide chart asks for. */
export function redrawMs(range: Range): number {
  return Math.min(5000, Math.max(250, range.ms / 4000));
}
