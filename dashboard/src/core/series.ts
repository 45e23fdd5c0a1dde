import { STALE_INTERVALS } from "./stale.ts";

export interface Plain {
  ts: readonly number[];
  values: readonly number[];
}
/** As uPlot reads it: null is a gap, undefined "this series has no point here, draw on". */
export type Aligned = [number[], ...(number | null | undefined)[][]];

/** Buckets of time: their mean is drawn as the line, lowest and highest as a band around it. */
export interface Band {
  ts: readonly number[];
  low: readonly (number | null)[];
  high: readonly (number | null)[];
}

/**
 * Longest distance (ms) that is still drawn as a line: three reporting intervals; of thinned-out points three of their usual
 * distances; of buckets a bucket and a half, for one that is missing had no reading.
 */
export function maxGap(ts: readonly number[], intervalS: number | null, thinned: boolean, stepMs = 0): number {
  if (stepMs) return Math.max(1.5 * stepMs, STALE_INTERVALS * (intervalS ?? 0) * 1000);
  if (!thinned && intervalS !== null) return STALE_INTERVALS * intervalS * 1000;
  const distances = ts.slice(1).map((t, i) => t - ts[i]!);
  distances.sort((a, b) => a - b);
  const usual = distances[distances.length >> 1] ?? 0;
  return STALE_INTERVALS * Math.max((intervalS ?? 0) * 1000, usual);
}

/** Put several series on one time axis (seconds). Where one has been silent for too long, its line is interrupted. */
export function align(series: readonly (Plain & { gapMs: number })[]): Aligned {
  const axis = new Set<number>();
  const columns = series.map(({ ts, values, gapMs }) => {
    const column = new Map<number, number | null>();
    ts.forEach((t, i) => {
      const before = ts[i - 1];
      if (before !== undefined && t - before > gapMs) column.set(before + 1, null);
      column.set(t, values[i]!);
    });
    for (const t of column.keys()) axis.add(t);
    return column;
  });
  const times = [...axis].sort((a, b) => a - b);
  return [times.map((t) => t / 1000), ...columns.map((column) => times.map((t) => column.get(t)))];
}

/**
 * Where an aligned column has a stretch between two gaps that is shorter than `shortest` (in the unit of the times): as a line
 * nobody would see it. Returns the index of its last point.
 */
export function specks(times: ArrayLike<number>, column: ArrayLike<number | null | undefined>, shortest: number): number[] {
  const found: number[] = [];
  let [first, last] = [-1, -1];
  for (let i = 0; i <= column.length; i += 1) {
    const value = i < column.length ? column[i] : null;
    if (value === undefined) continue;
    if (value !== null) [first, last] = [first < 0 ? i : first, i];
    else {
      if (first >= 0 && times[last]! - times[first]! < shortest) found.push(last);
      first = -1;
    }
  }
  return found;
}

/** One column of a history answer without its empty places (another measurement reported at those times). */
export function dense(ts: readonly number[], column: readonly (number | null)[]): Plain {
  const kept = ts.map((_, i) => i).filter((i) => column[i] != null);
  return { ts: kept.map((i) => ts[i]!), values: kept.map((i) => column[i]!) };
}

export interface Summary {
  count: number;
  low: number;
  high: number;
  last: number;
}

export function summary({ values }: Plain): Summary | null {
  if (!values.length) return null;
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return { count: values.length, low, high, last: values.at(-1)! };
}

/** The same with the lowest and highest of the readings that a band stands for. */
export function reach(data: Plain, band: Band | undefined): Summary | null {
  const found = summary(data);
  if (!found || !band) return found;
  const present = (column: readonly (number | null)[]) => column.filter((v): v is number => v !== null);
  const low = present(band.low).reduce((a, b) => Math.min(a, b), found.low);
  const high = present(band.high).reduce((a, b) => Math.max(a, b), found.high);
  return { ...found, low, high };
}

/** SVG path of a small line without axes in a box of `width` × `height`. */
export function sparkline({ ts, values }: Plain, width: number, height: number): string {
  const s = summary({ ts, values });
  if (!s || s.count < 2) return "";
  const start = ts[0]!;
  const time = ts.at(-1)! - start || 1;
  const reach = s.high - s.low;
  const y = (v: number) => (reach ? height - 1 - ((v - s.low) / reach) * (height - 2) : height / 2);
  return values.map((v, i) => `${i ? "L" : "M"}${(((ts[i]! - start) / time) * width).toFixed(1)} ${y(v).toFixed(1)}`).join("");
}
