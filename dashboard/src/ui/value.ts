import { html, nothing, svg } from "lit";
import { number, onOff } from "../core/format.ts";
import type { Latest } from "../core/merge.ts";
import { originOf, qualityOf } from "../core/quality.ts";
import type { Ring } from "../core/ring.ts";
import { sparkline } from "../core/series.ts";
import { ago, isStale, STALE_INTERVALS } from "../core/stale.ts";
import type { Measurement } from "../io/types.ts";
import { mark, qualityMark, type Html } from "./bits.ts";
import "./gauge.ts";

export interface ValueOptions {
  measurement: Measurement;
  latest: Latest | undefined;
  recent: Ring | undefined;
  now: number;
  /** Seconds after which the device counts as stale; for values without an interval of their own. */
  staleAfterS: number | null;
}

/** One live value, drawn as its declaration asks: dial, bar, on/off, or a number with its last quarter of an hour. */
export function valueTile(options: ValueOptions): Html {
  const { measurement: m, latest, now } = options;
  const stale = isStale(latest?.ts, now, m.interval_s === null ? options.staleAfterS : STALE_INTERVALS * m.interval_s);
  const quality = qualityOf(m, latest);
  const origin = latest && originOf(latest);
  return html`<div class="value ${stale ? "stale" : ""}" data-testid="value-${m.key}">
    <span class="name">${m.title}</span>
    ${body(options, stale)}
    ${origin ? html`<span class="small">${mark("off", origin, "origin")}</span>` : nothing}
    ${quality ? html`<span class="small">${qualityMark(quality)}</span>` : nothing}
    ${stale ? html`<span class="small muted">${latest ? ago(latest.ts, now) : "no reading yet"}</span>` : nothing}
  </div>`;
}

function body({ measurement: m, latest, recent }: ValueOptions, stale: boolean): Html {
  const bounded = m.low != null && m.high != null;
  const shown = html`<span class="num">${number(latest?.value, m.decimals)} <small>${m.unit}</small></span>`;
  if (m.widget === "gauge" && bounded) {
    return html`<iot-gauge .value=${latest?.value ?? null} .low=${m.low!} .high=${m.high!} .unit=${m.unit} .label=${m.title} .decimals=${m.decimals} .stale=${stale}></iot-gauge>`;
  }
  if (m.widget === "switch") return html`<span class="num">${latest ? mark(latest.value ? "ok" : "off", onOff(latest.value)) : "–"}</span>`;
  if (m.widget === "level" && bounded) return html`${shown}${bar(m, latest)}`;
  return html`${shown}${recent && recent.size > 1 ? spark(recent) : nothing}`;
}

function bar(m: Measurement, latest: Latest | undefined): Html {
  const share = latest ? Math.min(1, Math.max(0, (latest.value - m.low!) / (m.high! - m.low!))) : 0;
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
    <rect width="100" height="10" rx="2" />${svg`<rect width=${share * 100} height="10" rx="2" />`}
  </svg>`;
}

function spark(recent: Ring): Html {
  return html`<svg class="spark" viewBox="0 0 120 26" preserveAspectRatio="none" aria-hidden="true">${svg`<path vector-effect="non-scaling-stroke" d=${sparkline(recent, 120, 26)} />`}</svg>`;
}
