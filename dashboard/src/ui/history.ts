import { html, nothing } from "lit";
import { api, live } from "../app.ts";
import { Coalescer } from "../core/coalesce.ts";
import { localTime, number, withUnit } from "../core/format.ts";
import { firstShown, groups, type Group } from "../core/groups.ts";
import { RANGES, rangeOf, redrawMs, type Range } from "../core/range.ts";
import { isOutside } from "../core/quality.ts";
import { outside, outsideText } from "../core/outside.ts";
import { Ring } from "../core/ring.ts";
import { dense, reach, type Band, type Plain } from "../core/series.ts";
import { drawn, moved, scaled, type Span } from "../core/zoom.ts";
import type { History as Answer, Measurement, TelemetryEvent } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { loaded, mark, panel, qualityMark, saveFile, simulatedBadge, type Html } from "./bits.ts";
import "./chart.ts";
import { DevicePanel } from "./panel-part.ts";

/** Points asked for: about as many as a wide chart has pixels. */
const POINTS = 1000;
/** Fetch again, so that thinned-out ranges stay thinned out and the tail of a fast device stays bounded. */
const RENEW_MS = 60_000;

interface Shown {
  rings: Map<string, Ring>;
  /** Lowest and highest of each bucket; empty when every reading is there. */
  bands: Map<string, Band>;
  downsampled: boolean;
  /** Width of a bucket in ms and its name; 0 and `raw` for readings. */
  stepMs: number;
  resolution: string;
}

/** What the device has measured: one chart for each unit, live at the right end, or a stretch of the past that was zoomed into. */
export class History extends DevicePanel {
  static override properties = { ...DevicePanel.properties, measurements: { attribute: false }, simulated: { attribute: false } };
  declare measurements: Measurement[];
  declare simulated: boolean;
  private range = rangeOf(new URLSearchParams(location.search).get("range"));
  /** Stretches that were zoomed into, the present one last; none: the range up to now. */
  private readonly zoomed: Span[] = [];
  private chosen: Set<string> | null = null;
  private offered: readonly string[] = [];
  private problem = "";
  private saving = false;
  private readonly shown = new Resource<Shown>(() => this.fetchHistory(), () => this.requestUpdate());
  private live = new Coalescer(() => this.requestUpdate(), redrawMs(this.range));

  protected override begin(): void {
    const hidden = () => this.live.pause(document.hidden);
    document.addEventListener("visibilitychange", hidden);
    this.until(
      live.on("telemetry", (event) => this.telemetry(event)),
      live.onResync(() => void this.shown.load()),
      () => document.removeEventListener("visibilitychange", hidden),
      () => this.live.stop(),
    );
    this.every(RENEW_MS, () => this.zoom || void this.shown.load());
    this.every(1000, () => this.live.request());
  }

  protected override reset(): void {
    this.chosen = null;
    this.offered = [];
    this.zoomed.length = 0;
    this.problem = "";
    this.reload();
  }

  private reload(): void {
    this.live.stop();
    this.live = new Coalescer(() => this.requestUpdate(), redrawMs(this.range));
    this.shown.restart();
  }

  private get zoom(): Span | undefined {
    return this.zoomed.at(-1);
  }

  private get span(): Span {
    const to = api.now();
    return this.zoom ?? { from: to - this.range.ms, to };
  }

  private async fetchHistory(): Promise<Shown> {
    const { deviceId: id, range, zoom } = this;
    const answer = await api.history(id, { ...(zoom ?? { from: this.span.from }), points: POINTS });
    const live = !zoom && !this.zoom && id === this.deviceId && range === this.range;
    const rings = ringsOf(answer);
    for (const [key, ring] of (live && this.shown.data?.rings) || []) keepNewer(rings, key, ring);
    return { rings, bands: bandsOf(answer), downsampled: answer.downsampled, stepMs: (answer.step_s ?? 0) * 1000, resolution: answer.resolution };
  }

  private telemetry({ points }: TelemetryEvent): void {
    if (this.zoom) return;
    const own = points.filter(([device]) => device === this.deviceId);
    this.shown.tell(({ rings }) => own.forEach(([, ts, measurement, value]) => ringOf(rings, measurement).push(ts, value)));
    this.live.request();
  }

  /** Draw what is there of the stretch at once, and ask for what is not. */
  private show(span: Span | null): void {
    if (!span) return;
    this.zoomed.push(span);
    void this.shown.load();
    this.requestUpdate();
  }

  private readonly back = (): void => {
    if (!this.zoomed.pop()) return;
    if (this.zoom) void this.shown.load();
    else this.reload();
    this.requestUpdate();
  };

  override render() {
    return panel({
      id: "history",
      title: "History",
      actions: html`${this.simulated ? simulatedBadge : nothing}
        <div class="segments" role="group" aria-label="Range">${RANGES.map((range) => this.rangeButton(range))}</div>
        ${this.zoomButtons()}
        <button data-testid="history-csv" title="Download every reading of what is shown as CSV" ?disabled=${this.saving} @click=${this.download}>${this.saving ? "Saving…" : "CSV"}</button>`,
      body: html`${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing} ${this.toggles()}
      ${loaded({ value: this.shown.value, retry: this.shown.load, show: (shown) => this.charts(shown) })}`,
    });
  }

  private rangeButton(range: Range): Html {
    return html`<button aria-pressed=${range === this.range && !this.zoom} data-testid="range-${range.key}" @click=${() => this.pick(range)}>${range.title}</button>`;
  }

  private zoomButtons(): Html {
    const now = api.now();
    const button = (text: string, title: string, span: () => Span) =>
      html`<button title=${title} aria-label=${title} @click=${() => this.show(span())}>${text}</button>`;
    return html`<div class="segments" role="group" aria-label="Zoom" data-testid="zoom">
      ${button("‹", "Earlier", () => moved(this.span, -0.5, now))} ${button("−", "Zoom out", () => scaled(this.span, 2, now))}
      ${button("+", "Zoom in", () => scaled(this.span, 0.5, now))} ${button("›", "Later", () => moved(this.span, 0.5, now))}
      ${this.zoom ? html`<button data-testid="zoom-back" @click=${this.back}>Back</button>` : nothing}
    </div>`;
  }

  /** The range is in the address, so that it survives a reload and can be shared. */
  private pick(range: Range): void {
    if (range === this.range && !this.zoom) return;
    this.zoomed.length = 0;
    this.range = range;
    const address = new URL(location.href);
    address.searchParams.set("range", range.key);
    history.replaceState(null, "", address);
    this.reload();
    this.requestUpdate();
  }

  private get selected(): Set<string> {
    return this.chosen ?? new Set(this.offered);
  }

  /** Before anybody has chosen. */
  protected override willUpdate(): void {
    super.willUpdate();
    const rings = this.shown.data?.rings;
    if (rings || !this.offered.length) this.offered = firstShown(this.measurements, (key) => !!rings?.get(key)?.ts.length, this.offered);
  }

  private toggles(): Html {
    if (this.measurements.length < 2) return nothing;
    const selected = this.selected;
    return html`<div class="toggles" role="group" aria-label="Measurements">
      ${this.measurements.map(
        ({ key, title }) => html`<button aria-pressed=${selected.has(key)} data-testid="series-${key}" @click=${() => this.toggle(key)}>${title}</button>`,
      )}
    </div>`;
  }

  private toggle(key: string): void {
    this.chosen = new Set(this.selected);
    if (!this.chosen.delete(key)) this.chosen.add(key);
    this.requestUpdate();
  }

  private charts(data: Shown): Html {
    const selected = this.selected;
    const shown = groups(this.measurements)
      .map((group) => ({ ...group, members: group.members.filter(({ measurement }) => selected.has(measurement.key)) }))
      .filter((group) => group.members.length);
    if (!shown.length) return html`<div class="state">Choose what to show.</div>`;
    const span = this.span;
    if (!this.zoom) for (const ring of data.rings.values()) ring.trimBefore(span.from);
    return html`<div @iot-zoom=${(e: CustomEvent<Span>) => this.show(drawn(e.detail.from, e.detail.to, api.now()))} @iot-zoom-out=${this.back}>
        ${shown.map((group) => this.chart(group, data, span))}
      </div>
      ${this.table(shown, data)}
      <p class="hint">${explained(data)} ${this.zoom ? html`${localTime(span.from)} to ${localTime(span.to)}.` : nothing} Drag across a chart to zoom in, double-click to go back.</p>`;
  }

  private chart({ unit, discrete, members }: Group, { rings, bands, downsampled, stepMs }: Shown, { from, to }: Span): Html {
    const lines = members.map((member) => ({ ...member, data: rings.get(member.measurement.key) ?? EMPTY, band: bands.get(member.measurement.key) }));
    const none = lines.every(({ data }) => data.ts.length === 0);
    return html`<div class="chart">
      <iot-chart .lines=${lines} .unit=${unit} ?discrete=${discrete} ?simulated=${this.simulated} ?thinned=${downsampled} .stepMs=${stepMs} .from=${from} .to=${to}></iot-chart>
      ${none ? html`<p class="nothing">No readings in this stretch.</p>` : nothing}
      ${lines.map(({ measurement: m, data, band }) => outsideNotice(m, data, band, downsampled))}
    </div>`;
  }

  private table(shown: Group[], { rings, bands }: Shown): Html {
    const rows = shown.flatMap(({ members }) => members);
    return html`<details><summary>View as table</summary>
      <table class="cardy">
        <thead><tr><th scope="col">Measurement</th><th scope="col" class="right">Lowest</th><th scope="col" class="right">Highest</th><th scope="col" class="right">Last</th><th scope="col" class="right">Points</th></tr></thead>
        <tbody>${rows.map(({ measurement }) => tableRow(measurement, rings.get(measurement.key) ?? EMPTY, bands.get(measurement.key)))}</tbody>
      </table>
    </details>`;
  }

  private readonly download = async (): Promise<void> => {
    const { deviceId: id, span } = this;
    this.problem = "";
    this.saving = true;
    this.requestUpdate();
    try {
      const name = `${id.replaceAll(":", "_")}_${new Date(span.from).toISOString().slice(0, 16).replaceAll(":", "")}.csv`;
      saveFile(await api.readingsFile(id, span.from, span.to), name);
    } catch (error) {
      this.problem = said(error);
    }
    this.saving = false;
    this.requestUpdate();
  };
}

const EMPTY = { ts: [], values: [] };

function ringsOf({ columns: { ts, ...columns } }: Answer): Map<string, Ring> {
  const rings = new Map<string, Ring>();
  for (const [key, column] of Object.entries(columns)) {
    const { ts: times, values } = dense(ts, column);
    const ring = ringOf(rings, key);
    times.forEach((t, i) => ring.push(t, values[i]!));
  }
  return rings;
}

function bandsOf({ columns: { ts }, aggregates: { min, max } }: Answer): Map<string, Band> {
  const bands = new Map<string, Band>();
  for (const [key, low] of Object.entries(min ?? {})) bands.set(key, { ts, low, high: max![key]! });
  return bands;
}

/** How the points came about. */
function explained({ stepMs, resolution, downsampled }: Shown): string {
  if (stepMs) return `The line is the mean of each ${resolution.replace(/(?=[a-z])/, " ")}, the band its lowest and highest.`;
  return downsampled ? "Thinned out for this range: lows and highs are kept." : "";
}

function ringOf(rings: Map<string, Ring>, key: string): Ring {
  const ring = rings.get(key) ?? new Ring();
  rings.set(key, ring);
  return ring;
}

/** What came live while the answer was on its way. */
function keepNewer(rings: Map<string, Ring>, key: string, known: Ring): void {
  const ring = ringOf(rings, key);
  const last = ring.lastTs ?? -Infinity;
  known.ts.forEach((t, i) => t > last && ring.push(t, known.values[i]!));
}

function outsideNotice(m: Measurement, data: Plain, band: Band | undefined, thinned: boolean): Html {
  const found = outside(m, data, band);
  return found ? html`<p class="notice warn" data-testid="outside-${m.key}">${mark("warn", "Out of range")} ${outsideText(m, found, thinned)}</p>` : nothing;
}

function tableRow(m: Measurement, data: Plain, band: Band | undefined): Html {
  const s = reach(data, band);
  const show = (value: number | undefined) => withUnit(number(value, m.decimals), m.unit);
  const marked = (value: number | undefined) => html`${show(value)} ${qualityMark(value !== undefined && isOutside(m, value) ? "out_of_range" : null)}`;
  return html`<tr>
    <td data-label="Measurement">${m.title} ${qualityMark(m.undeclared ? "undeclared" : null)}</td>
    <td data-label="Lowest" class="right">${marked(s?.low)}</td>
    <td data-label="Highest" class="right">${marked(s?.high)}</td>
    <td data-label="Last" class="right">${marked(s?.last)}</td>
    <td data-label="Points" class="right">${(s?.count ?? 0).toLocaleString("en-GB")}</td>
  </tr>`;
}

customElements.define("iot-history", History);
