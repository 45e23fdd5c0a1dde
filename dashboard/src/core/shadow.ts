import type { Convergence, Property, ShadowDocument } from "../io/types.ts";

export type RowState = Convergence["state"] | "reported" | "unset";
export interface ShadowRow {
  key: string;
  title: string;
  unit: string;
  desired: unknown;
  reported: unknown;
  state: RowState;
  /** What the device says about it; empty when it says nothing. */
  reason: string;
  /** Since when it has not been in effect. */
  since: string | null;
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
    const row = { key, title: property?.title ?? key, unit: property?.unit ?? "", desired: desired[key], reported: plain(reported[key]) };
    const known = document.convergence?.[key];
    return { ...row, state: known?.state ?? state(row.desired, row.reported), reason: known?.reason ?? "", since: known?.since ?? null };
  });
}

/** The value itself: a device may report it within an answer to what is desired, `{value, ac, av, ad}`. */
export function plain(reported: unknown): unknown {
  if (!isObject(reported) || typeof reported.ac !== "number") return reported;
  const known = Object.keys(reported).every((key) => ["value", "ac", "av", "ad"].includes(key));
  return known && ("value" in reported || "av" in reported) ? reported.value : reported;
}

/** In words, how far the device is with one property. */
export function stateText({ state, reason }: Pick<ShadowRow, "state" | "reason">): string {
  const because = reason ? `: ${reason}` : "";
  switch (state) {
    case "refused":
      return `Refused by the device${because}`;
    case "failed":
      return `Failed${because}`;
    case "in_progress":
      return `In progress${because}`;
    default:
      return { applied: "In effect", pending: "Pending", reported: "Reported", unset: "Not set" }[state];
  }
}

function state(desired: unknown, reported: unknown): RowState {
  if (desired === undefined || desired === null) return reported === undefined ? "unset" : "reported";
  return same(desired, reported) ? "applied" : "pending";
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
