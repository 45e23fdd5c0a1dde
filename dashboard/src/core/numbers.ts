/** Sequence numbers as text. */
import type { NumberRange, Numbers } from "../io/types.ts";

const count = (n: number): string => n.toLocaleString("en-GB");

/** "received 1,200, missing 3, declared lost 40, repeated 2, late 0": every count, so that a nought is told too. */
export function summary(numbers: Numbers): string {
  const { received, missing, declared_lost, repeated, late } = numbers;
  return `received ${count(received)}, missing ${count(missing)}, declared lost ${count(declared_lost)}, repeated ${count(repeated)}, late ${count(late)}`;
}

/** "13–14, 21, 30–41". */
export function rangesText(ranges: readonly NumberRange[]): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}

/** How many numbers the ranges hold: there may be more missing than can be named. */
export function named(ranges: readonly NumberRange[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
