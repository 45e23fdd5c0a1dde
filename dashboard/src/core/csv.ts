import { csvCell } from "./format.ts";

export interface Columns {
  ts: readonly number[];
  columns: Readonly<Record<string, readonly (number | null)[]>>;
}

/** A history as CSV: time (UTC), one column for each measurement with its unit, and where the data comes from. */
export function csv({ ts, columns }: Columns, titles: Readonly<Record<string, string>>, source: string): string {
  const keys = Object.keys(columns);
  const head = ["time", ...keys.map((key) => titles[key] ?? key), "data_source"];
  const rows = ts.map((t, i) => [new Date(t).toISOString(), ...keys.map((key) => columns[key]![i] ?? ""), source]);
  return [head, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}
