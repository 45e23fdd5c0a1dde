import type { Chosen, Letter, Replay } from "../io/types.ts";
import { plural } from "./format.ts";

/** What the list is narrowed down to; empty texts narrow nothing. */
export type LetterFilter = Record<"device" | "category" | "reason", string>;

export const CATEGORIES: Record<string, string> = {
  validation: "Not valid",
  clock: "Wrong time",
  conflict: "Another value is stored",
  store: "Could not be processed",
};

export function readFilter(search: string): LetterFilter {
  const given = new URLSearchParams(search);
  const read = (key: string) => given.get(key) ?? "";
  return { device: read("device"), category: read("category"), reason: read("reason") };
}

export function filterPath(filter: LetterFilter): string {
  const given = Object.entries(filter).filter(([, value]) => value);
  return given.length ? `/dead-letters?${new URLSearchParams(given)}` : "/dead-letters";
}

/** The chosen letters, or all that the filter lets through when none is chosen. */
export function choice(ids: ReadonlySet<number>, filter: LetterFilter): Chosen {
  if (ids.size) return { ids: [...ids] };
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  return Object.keys(given).length ? given : { all: true };
}

/** What became of a replay, in words. */
export function outcome({ asked, came_through, failed, waiting, dropped }: Replay): string {
  const parts = [`${came_through.toLocaleString("en-GB")} of ${plural(asked, "message")} came through`];
  if (failed) parts.push(`${failed.toLocaleString("en-GB")} failed again and ${failed === 1 ? "stays with its reason" : "stay with their reasons"}`);
  if (dropped) parts.push(`${dropped.toLocaleString("en-GB")} had been dropped`);
  if (waiting) parts.push(`${waiting.toLocaleString("en-GB")} still wait`);
  return `${parts.join("; ")}.`;
}

/** Why a letter's message is not stored, in a sentence about this letter. */
export function why({ measurement, reason }: Pick<Letter, "measurement" | "reason">): string {
  return measurement && !reason.startsWith(measurement) ? `${measurement}: ${reason}` : reason;
}
