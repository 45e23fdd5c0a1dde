import type { Property, ShadowDocument } from "../io/types.ts";

export type RowState = "converged" | "pending" | "reported" | "unset";
export interface ShadowRow {
  key: string;
  title: string;
  unit: string;
  desired: unknown;
  reported: unknown;
  state: RowState;
}

/** When the document was last changed, ms since the Unix epoch; the document itself counts seconds, as AWS's does. */
export function changedAt(document: ShadowDocument | null | undefined): number | undefined {
  return document?.timestamp === undefined ? undefined : document.timestamp * 1000;
}

/** One row for each declared property, then one for whatever else the document holds. */
export function shadowRows(properties: readonly Property[], document: ShadowDocument): ShadowRow[] {
  const { desired = {}, reported = {} } = document.state;
  const declared = new Map(properties.map((p) => [p.key, p]));
  const keys = new Set([...declared.keys(), ...Object.keys(desired), ...Object.keys(reported)]);
  return [...keys].map((key) => {
    const property = declared.get(key);
    const row = { key, title: property?.title ?? key, unit: property?.unit ?? "", desired: desired[key], reported: reported[key] };
    return { ...row, state: state(row.desired, row.reported) };
  });
}

function state(desired: unknown, reported: unknown): RowState {
  if (desired === undefined || desired === null) return reported === undefined ? "unset" : "reported";
  return same(desired, reported) ? "converged" : "pending";
}

/** JSON equality; the order of keys means nothing. A desired object is met when each of its members is. */
export function same(desired: unknown, reported: unknown): boolean {
  if (desired === reported) return true;
  if (Array.isArray(desired) || Array.isArray(reported)) return JSON.stringify(desired) === JSON.stringify(reported);
  if (!isObject(desired) || !isObject(reported)) return false;
  return Object.entries(desired).every(([key, value]) => same(value, reported[key]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
