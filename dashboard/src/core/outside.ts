import type { Measurement } from "../io/types.ts";
import { number, plural, withUnit } from "./format.ts";
import type { Band, Plain } from "./series.ts";

/** Points with readings that the type does not allow; `lowest` and `highest` of them, null when none is below or above. */
export interface Outside {
  count: number;
  lowest: number | null;
  highest: number | null;
}

/** Which points of a measurement lie outside what is declared; of a bucket its lowest and highest reading count. */
export function outside({ low, high }: Measurement, data: Plain, band: Band | undefined): Outside | null {
  const found = new Set<number>();
  let lowest: number | null = null;
  let highest: number | null = null;
  const look = (ts: number, value: number | null) => {
    if (value === null) return;
    if (low !== null && value < low) lowest = Math.min(lowest ?? value, value);
    else if (high !== null && value > high) highest = Math.max(highest ?? value, value);
    else return;
    found.add(ts);
  };
  data.ts.forEach((ts, i) => look(ts, data.values[i]!));
  band?.ts.forEach((ts, i) => [band.low[i]!, band.high[i]!].forEach((value) => look(ts, value)));
  return found.size ? { count: found.size, lowest, highest } : null;
}

/** The same in a sentence. `thinned`: a point may stand for more than one reading. */
export function outsideText(m: Measurement, { count, lowest, highest }: Outside, thinned: boolean): string {
  const show = (value: number) => withUnit(number(value, m.decimals), m.unit);
  const ends = [lowest !== null && `lowest ${show(lowest)}`, highest !== null && `highest ${show(highest)}`].filter(Boolean);
  return `${m.title}: ${thinned ? "at least " : ""}${plural(count, "reading")} ${count === 1 ? "is" : "are"} out of range (${range(m)}): ${ends.join(", ")}.`;
}

function range({ low, high, unit }: Measurement): string {
  const show = (value: number) => value.toLocaleString("en-GB");
  if (low === null) return `up to ${withUnit(show(high!), unit)}`;
  return high === null ? `from ${withUnit(show(low), unit)}` : withUnit(`${show(low)} … ${show(high)}`, unit);
}
