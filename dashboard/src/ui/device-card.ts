import { LitElement, css, html, nothing } from "lit";
import { measurementsOf } from "../app.ts";
import { number, onOff } from "../core/format.ts";
import type { Latest } from "../core/merge.ts";
import { originOf, qualityOf, QUALITY_WORDS } from "../core/quality.ts";
import { devicePath } from "../core/route.ts";
import { ago, isStale, STALE_INTERVALS } from "../core/stale.ts";
import type { Device, DeviceType, Measurement } from "../io/types.ts";
import { mark, qualityMark, simulatedBadge, type Html, type Tone } from "./bits.ts";

const SHOWN = 4;

export interface DeviceState {
  tone: Tone;
  word: string;
}

/** Whether the platform lets it in no more, whatever it does. */
export function isBarred(device: Device): boolean {
  return device.status === "disabled" || device.status === "retired";
}

/** One word for a device, from three facts: allowed, connected, heard of lately. */
export function deviceState(device: Device, now: number): DeviceState {
  if (isBarred(device)) return { tone: "crit", word: device.status === "disabled" ? "Disabled" : "Retired" };
  if (!device.presence?.connected) return { tone: "off", word: device.last_connected || device.presence ? "Offline" : "Never connected" };
  return isStale(device.last_data_at, now, device.stale_after_s) ? { tone: "warn", word: "Stale" } : { tone: "ok", word: "Connected" };
}

/** A device in the grid: who, how, and its first few values. */
export class DeviceCard extends LitElement {
  static override properties = { device: { attribute: false }, type: { attribute: false }, now: { attribute: false } };
  declare device: Device;
  declare type: DeviceType | undefined;
  declare now: number;

  static override styles = css`
    :host { display: block; min-width: 0; }
    * { box-sizing: border-box; }
    article { position: relative; display: grid; gap: 10px; height: 100%; grid-template-rows: auto 1fr auto; padding: 14px 16px; background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius);
      box-shadow: var(--shadow); transition: border-color var(--motion); }
    article:hover { border-color: var(--fg-2); }
    article:has(a:focus-visible) { outline: 3px solid var(--accent); outline-offset: 2px; }
    header { display: flex; gap: 8px; align-items: start; justify-content: space-between; }
    h3 { margin: 0; font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }
    p { margin: 0; font-size: 13px; color: var(--fg-2); }
    a { color: inherit; text-decoration: none; outline: none; }
    a::after { content: ""; position: absolute; inset: 0; border-radius: inherit; }
    dl { display: grid; grid-template-columns: 1fr 1fr; align-content: start; gap: 8px 12px; margin: 0; }
    dt { font-size: 12px; color: var(--fg-2); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
    dd { margin: 0; font-size: 18px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
    dd small { font-size: 12px; font-weight: 500; color: var(--fg-2); }
    dd.quality { font-size: 12px; font-style: normal; line-height: 1.4; }
    .others { margin-top: 8px; }
    .others .mark { white-space: normal; }
    .quiet dd, dd.old { font-style: italic; color: var(--fg-2); }
    footer { display: flex; gap: 8px; align-items: center; justify-content: space-between; font-size: 12px; color: var(--fg-2); min-height: 20px; }
    .mark { display: inline-flex; align-items: center; gap: 6px; font-weight: 500; font-size: 13px; white-space: nowrap; }
    .mark svg { width: 11px; height: 11px; fill: currentColor; stroke: currentColor; }
    .ok { color: var(--ok); } .warn { color: var(--warn); } .crit { color: var(--crit); } .off { color: var(--off); } .sim { color: var(--sim); }
    .badge { border: 1px dashed currentColor; border-radius: 5px; padding: 0 6px; font-size: 11px; line-height: 18px; font-weight: 600; letter-spacing: 0.04em; }
  `;

  override render() {
    const { device, type, now } = this;
    const state = deviceState(device, now);
    return html`<article data-testid="device-card" data-device=${device.id}>
      <header>
        <div>
          <h3><a href=${devicePath(device.id)}>${device.id}</a></h3>
          <p>${type?.title ?? device.device_type}</p>
        </div>
        ${mark(state.tone, state.word)}
      </header>
      ${this.values(state.tone !== "ok")}
      <footer><span>Last data ${ago(device.last_data_at, now)}</span>${device.simulated ? simulatedBadge : nothing}</footer>
    </article>`;
  }

  /** A value may be old while others of the same device come. */
  private isOld(m: Measurement, latest: Latest | undefined): boolean {
    const afterS = m.interval_s === null ? this.device.stale_after_s : STALE_INTERVALS * m.interval_s;
    return latest !== undefined && isStale(latest.ts, this.now, afterS);
  }

  private values(quiet: boolean) {
    const { latest } = this.device;
    const all = measurementsOf(this.type, latest);
    const shown = all.slice(0, SHOWN);
    const others = all.slice(SHOWN).filter((m) => qualityOf(m, latest[m.key]));
    return html`<div><dl class=${quiet ? "quiet" : ""}>
      ${shown.map(
        (m) => html`<div>
          <dt>${m.title}</dt>
          <dd class=${this.isOld(m, latest[m.key]) ? "old" : ""} data-measurement=${m.key}>${m.widget === "switch" ? onOff(latest[m.key]?.value) : html`${number(latest[m.key]?.value, m.decimals)} <small>${m.unit}</small>`}</dd>
          ${this.isOld(m, latest[m.key]) ? html`<dd class="quality">${ago(latest[m.key]!.ts, this.now)}</dd>` : nothing}
          ${originMark(latest[m.key])}
          ${qualityOf(m, latest[m.key]) ? html`<dd class="quality">${qualityMark(qualityOf(m, latest[m.key]))}</dd>` : nothing}
        </div>`,
      )}
    </dl>
    ${others.length ? html`<p class="others">${mark("warn", others.map((m) => `${m.title}: ${QUALITY_WORDS[qualityOf(m, latest[m.key])!].toLowerCase()}`).join(", "))}</p>` : nothing}</div>`;
  }
}

function originMark(latest: Latest | undefined): Html {
  const origin = latest && originOf(latest);
  return origin ? html`<dd class="quality">${mark("off", origin)}</dd>` : nothing;
}

customElements.define("iot-device-card", DeviceCard);
