import type { Measurement } from "../io/types.ts";
import type { Latest } from "./merge.ts";

export type Quality = "out_of_range" | "undeclared";

/** What is remarkable about a reading: as the server marked it, else, for one that came live, by what its type declares. */
export function qualityOf(m: Measurement, latest: Latest | undefined): Quality | null {
  if (!latest) return null;
  if (latest.quality !== undefined) return latest.quality;
  if (m.undeclared) return "undeclared";
  const outside = (m.low != null && latest.value < m.low) || (m.high != null && latest.value > m.high);
  return outside ? "out_of_range" : null;
}

export const QUALITY_WORDS: Record<Quality, string> = { out_of_range: "Out of range", undeclared: "Undeclared" };
