import { LitElement, css, html, svg } from "lit";
import { number, withUnit } from "../core/format.ts";

const START = -210;
const SWEEP = 240;

/** A dial between a low and a high end. */
export class Gauge extends LitElement {
  static override properties = {
    value: { type: Number },
    low: { type: Number },
    high: { type: Number },
    unit: {},
    label: {},
    decimals: { type: Number },
    stale: { type: Boolean, reflect: true },
  };
  declare value: number | null;
  declare low: number;
  declare high: number;
  declare unit: string;
  declare label: string;
  declare decimals: number;
  declare stale: boolean;

  static override styles = css`
    :host { display: block; min-width: 0; }
    svg { display: block; width: 100%; max-width: 190px; margin: 0 auto; overflow: visible; }
    path { fill: none; stroke: var(--line); stroke-width: 9; stroke-linecap: round; }
    path.now { stroke: var(--series-1); }
    text { fill: var(--fg); text-anchor: middle; font-variant-numeric: tabular-nums; }
    .number { font-size: 27px; font-weight: 600; letter-spacing: -0.02em; }
    .unit { font-size: 13px; fill: var(--fg-2); }
    .end { font-size: 11px; fill: var(--fg-2); }
    :host([stale]) .number { font-style: italic; fill: var(--fg-2); }
    :host([stale]) path.now { stroke: var(--off); }
  `;

  constructor() {
    super();
    this.value = null;
    this.low = 0;
    this.high = 100;
    this.unit = this.label = "";
    this.decimals = 1;
    this.stale = false;
  }

  override render() {
    const shown = number(this.value, this.decimals);
    const share = this.value == null ? 0 : Math.min(1, Math.max(0, (this.value - this.low) / (this.high - this.low)));
    return html`<div
      role="meter"
      aria-label=${this.label}
      aria-valuemin=${this.low}
      aria-valuemax=${this.high}
      aria-valuenow=${Math.min(this.high, Math.max(this.low, this.value ?? this.low))}
      aria-valuetext=${withUnit(shown, this.unit)}
    >
      <svg viewBox="0 0 150 112" aria-hidden="true">
        <path d=${arc(1)} />
        ${share > 0 ? svg`<path class="now" d=${arc(share)} />` : ""}
        <text class="number" x="75" y="78">${shown}</text>
        <text class="unit" x="75" y="96">${this.unit}</text>
        <text class="end" x="22" y="110">${number(this.low, 0)}</text>
        <text class="end" x="128" y="110">${number(this.high, 0)}</text>
      </svg>
    </div>`;
  }
}

function arc(share: number): string {
  const at = (degrees: number) => {
    const angle = (degrees * Math.PI) / 180;
    return `${(75 + 58 * Math.cos(angle)).toFixed(2)} ${(68 + 58 * Math.sin(angle)).toFixed(2)}`;
  };
  return `M${at(START)}A58 58 0 ${SWEEP * share > 180 ? 1 : 0} 1 ${at(START + SWEEP * share)}`;
}

customElements.define("iot-gauge", Gauge);
