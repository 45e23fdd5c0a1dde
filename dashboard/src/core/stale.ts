/** A value is stale when three of its reporting intervals went by without a reading; a device when the server says after how long. */
export const STALE_INTERVALS = 3;

/** Too old, or none at all. Where nobody knows how old it may be (`afterS` is null), nothing is too old. */
export function isStale(lastTs: number | null | undefined, now: number, afterS: number | null): boolean {
  return lastTs == null || (afterS !== null && now - lastTs > afterS * 1000);
}

/** "now", "12 s ago", "5 min ago", "3 h ago", "2 d ago". */
export function ago(ts: number | null | undefined, now: number): string {
  if (ts == null) return "never";
  const seconds = Math.max(0, Math.round((now - ts) / 1000));
  if (seconds < 2) return "now";
  return `${span(seconds)} ago`;
}

export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
