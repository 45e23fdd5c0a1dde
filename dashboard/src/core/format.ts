export function number(value: number | null | undefined, decimals = 1): string {
  if (value == null || !Number.isFinite(value)) return "–";
  return value.toLocaleString("en-GB", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Any JSON value in one short line. */
export function plain(value: unknown): string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return value.toLocaleString("en-GB", { maximumFractionDigits: 3 });
  return typeof value === "string" ? words(value) : JSON.stringify(value);
}

/** Of a measurement that is 0 or 1. */
export function onOff(value: number | null | undefined): string {
  return value == null ? "–" : value ? "On" : "Off";
}

/** `in_progress` → "in progress". */
export function words(text: string): string {
  return text.replaceAll("_", " ");
}

const ACRONYMS = new Set(["tls", "acl"]);

/** Why something was refused, as a heading: `client_id` → "Client id", `tls` → "TLS". */
export function category(text: string): string {
  return ACRONYMS.has(text) ? text.toUpperCase() : words(text).replace(/^./, (first) => first.toUpperCase());
}

export function withUnit(text: string, unit: string): string {
  return unit && text !== "–" ? `${text} ${unit}` : text;
}

export function bytes(count: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) {
    count /= 1000;
    at += 1;
  }
  return `${count.toLocaleString("en-GB", { maximumFractionDigits: count < 10 && at ? 1 : 0 })} ${units[at]}`;
}

export function toMs(time: string | number | null | undefined): number | null {
  if (time == null) return null;
  const ms = typeof time === "number" ? time : Date.parse(time);
  return Number.isFinite(ms) ? ms : null;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric" });

/** Local time of day; with the date unless it is today. */
export function localTime(time: string | number | null | undefined, now = Date.now()): string {
  const ms = toMs(time);
  if (ms === null) return "–";
  const clock = CLOCK.format(ms);
  return new Date(ms).toDateString() === new Date(now).toDateString() ? clock : `${DAY.format(ms)}, ${clock}`;
}

export function localDate(time: string | number | null | undefined): string {
  const ms = toMs(time);
  return ms === null ? "–" : DATE.format(ms);
}

const [FIRST_MOMENT, LAST_MOMENT] = [Date.UTC(2015), Date.UTC(2100)];

/** A value of which nothing is declared: a whole number that can only be a time in ms is shown as one, a truth as yes or no. */
export function guessed(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  const moment = typeof value === "number" && Number.isInteger(value) && value > FIRST_MOMENT && value < LAST_MOMENT;
  return moment ? localTime(value) : plain(value);
}

/** What a device added to an answer or an event, in one line. */
export function members(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value).map(([key, member]) => `${words(key)}: ${guessed(member)}`).join(", ");
}

/** For tooltips: the same moment in UTC. */
export function utc(time: string | number | null | undefined): string {
  const ms = toMs(time);
  return ms === null ? "" : new Date(ms).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;
}

const MINUTES = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY_S = 86_400;

/** Labels of a time axis (seconds since the epoch): the day where it begins, else the time as finely as the ticks stand. */
export function axisTimes(ticks: readonly number[], distanceS: number): string[] {
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
    if (distanceS >= DAY_S || midnight) return DAY.format(at);
    return (distanceS < 60 ? CLOCK : MINUTES).format(at);
  });
}
