import type { Property } from "../io/types.ts";
import { number, withUnit } from "./format.ts";

export type Control = "slider" | "number" | "radio" | "select" | "switch" | "text";

/** Which form control suits a declared property. */
export function control(property: Property): Control {
  if (property.options?.length) return property.options.length <= 5 ? "radio" : "select";
  if (property.kind === "boolean") return "switch";
  if (property.kind === "string") return "text";
  return property.low != null && property.high != null ? "slider" : "number";
}

export function step(property: Property): number {
  if (property.kind === "integer") return 1;
  if (property.low == null || property.high == null) return 0.1;
  return property.high - property.low <= 2 ? 0.01 : property.high - property.low <= 20 ? 0.1 : 0.5;
}

/** "35 to 75 °C", "at least 0", or nothing. */
export function rangeText({ low, high, unit }: Property): string {
  const show = (v: number) => number(v, Number.isInteger(v) ? 0 : 2);
  if (low != null && high != null) return withUnit(`${show(low)} to ${show(high)}`, unit);
  if (low != null) return withUnit(`at least ${show(low)}`, unit);
  return high != null ? withUnit(`at most ${show(high)}`, unit) : "";
}

export type Parsed = { ok: true; value: number | boolean | string } | { ok: false; reason: string };

/** Turn what a form holds into the declared type, or say what is wrong with it. */
export function parse(property: Property, raw: string | boolean): Parsed {
  if (property.kind === "boolean") return { ok: true, value: raw === true || raw === "true" };
  const text = String(raw).trim();
  if (property.options?.length && !property.options.includes(text)) {
    return { ok: false, reason: `must be one of ${property.options.join(", ")}` };
  }
  return property.kind === "string" ? { ok: true, value: text } : parseNumber(property, text);
}

function parseNumber(property: Property, text: string): Parsed {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) return { ok: false, reason: "must be a number" };
  if (property.kind === "integer" && !Number.isInteger(value)) return { ok: false, reason: "must be a whole number" };
  if (property.low != null && value < property.low) return { ok: false, reason: `must be at least ${withUnit(String(property.low), property.unit)}` };
  if (property.high != null && value > property.high) return { ok: false, reason: `must be at most ${withUnit(String(property.high), property.unit)}` };
  return { ok: true, value };
}

/** What a form shows first: the declared default, else the low end, else nothing: a person chooses among options. */
export function initial(property: Property): string | boolean {
  const value = property.default ?? (property.options?.length ? "" : (property.low ?? ""));
  return property.kind === "boolean" ? value === true : String(value);
}
