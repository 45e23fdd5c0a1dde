import type { Measurement } from "../io/types.ts";
import type { Latest } from "./merge.ts";

export type Quality = "out_of_range" | "undeclared";

/** What is remarkable about a reading: as the server marked it, else, for one that came live, by what its type declares. */
export function qualityOf(m: Measurement, latest: Latest | undefined): Quality | null {
  if (!latest) return null;
  if (latest.quality !== undefined) return latest.quality;
  if (m.undeclared) return "undeclared";
  return isOutside(m, latest.value) ? "out_of_range" : null;
}

export function isOutside({ low, high }: Measurement, value: number): boolean {
  return (low != null && value < low) || (high != null && value > high);
}

const SOURCE_WORDS: Record<string, string> = { import: "Imported", replay: "Replayed", predicted: "Predicted", manual: "Entered by hand" };

/** Where a reading comes from, unless the device itself sent it (of a simulated one the whole device says so). */
export function originOf({ source }: Latest): string | null {
  return !source || source === "device" || source === "simulation" ? null : (SOURCE_WORDS[source] ?? source);
}

export const QUALITY_WORDS: Record<Quality, string> = { out_of_range: "Out of range", undeclared: "Undeclared" };
