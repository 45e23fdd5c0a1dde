/** A stretch of time, ms since the epoch. */
export interface Span {
  from: number;
  to: number;
}

/** A shorter stretch shows nothing that a longer one does not. */
export const SHORTEST_MS = 1000;
/** Nothing is older than this. */
const OLDEST = 0;

/** The stretch made so many times as long around its middle, within what can be: at least SHORTEST_MS, not beyond `latest`. */
export function scaled({ from, to }: Span, factor: number, latest: number): Span {
  const half = (Math.max(SHORTEST_MS, (to - from) * factor) / 2);
  const middle = (from + to) / 2;
  return within({ from: middle - half, to: middle + half }, latest);
}

/** The stretch moved by a part of its length; it keeps the length. */
export function moved({ from, to }: Span, part: number, latest: number): Span {
  const by = (to - from) * part;
  return within({ from: from + by, to: to + by }, latest);
}

/** What was drawn by hand, the right way round; null when it is too short to be meant. */
export function drawn(one: number, other: number, latest: number): Span | null {
  const span = { from: Math.min(one, other), to: Math.max(one, other) };
  return span.to - span.from < SHORTEST_MS ? null : within(span, latest);
}

function within({ from, to }: Span, latest: number): Span {
  const length = Math.min(to - from, latest - OLDEST);
  const end = Math.max(OLDEST + length, Math.min(to, latest));
  return { from: Math.round(end - length), to: Math.round(end) };
}
