import { html, nothing } from "lit";
import { api, live } from "../app.ts";
import { Coalescer } from "../core/coalesce.ts";
import { csv } from "../core/csv.ts";
import { number, withUnit } from "../core/format.ts";
import { firstShown, groups, type Group } from "../core/groups.ts";
import { RANGES, rangeOf, redrawMs, type Range } from "../core/range.ts";
import { Ring } from "../core/ring.ts";
import { dense, summary } from "../core/series.ts";
import type { History as Answer, Measurement, TelemetryEvent } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { loaded, panel, saveFile, simulatedBadge, type Html } from "./bits.ts";
import "./chart.ts";
import { DevicePanel } from "./panel-part.ts";

/** Points asked for: somewhat more than a wide chart has pixels. */
const POINTS = 1500;
const CSV_POINTS = 10_000;
/** Fetch again, so that thinned-out ranges stay thinned out and the tail of a fast device stays bounded. */
const RENEW_MS = 60_000;

interface Shown {
  rings: Map<string, Ring>;
  downsampled: boolean;
}

/** What the device has measured: one chart for each unit, live at the right end. */
export class History extends DevicePanel {
  static override properties = { ...DevicePanel.properties, measurements: { attribute: false }, simulated: { attribute: false } };
  declare measurements: Measurement[];
  declare simulated: boolean;
  private range = rangeOf(new URLSearchParams(location.search).get("range"));
  private chosen: Set<string> | null = null;
  private problem = "";
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
    this.every(RENEW_MS, () => void this.shown.load());
    this.every(1000, () => this.live.request());
  }

  protected override reset(): void {
    this.chosen = null;
    this.problem = "";
    this.reload();
  }

  private reload(): void {
    this.live.stop();
    this.live = new Coalescer(() => this.requestUpdate(), redrawMs(this.range));
    this.shown.restart();
  }

  private async fetchHistory(): Promise<Shown> {
    const { deviceId: id, range } = this;
    const answer = await api.history(id, api.now() - range.ms, POINTS);
    const known = id === this.deviceId && range === this.range ? this.shown.data?.rings : undefined;
    const rings = ringsOf(answer);
    for (const [key, ring] of known ?? []) keepNewer(rings, key, ring);
    return { rings, downsampled: answer.downsampled };
  }

  private telemetry({ points }: TelemetryEvent): void {
    const own = points.filter(([device]) => device === this.deviceId);
    this.shown.tell(({ rings }) => own.forEach(([, ts, measurement, value]) => ringOf(rings, measurement).push(ts, value)));
    this.live.request();
  }

  override render() {
    return panel({
      id: "history",
      title: "History",
      actions: html`${this.simulated ? simulatedBadge : nothing}
        <div class="segments" role="group" aria-label="Range">${RANGES.map((range) => this.rangeButton(range))}</div>
        <button data-testid="history-csv" title="Download this range as CSV" @click=${this.download}>CSV</button>`,
      body: html`${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing} ${this.toggles()}
      ${loaded({ value: this.shown.value, retry: this.shown.load, show: (shown) => this.charts(shown) })}`,
    });
  }

  private rangeButton(range: Range): Html {
    return html`<button aria-pressed=${range === this.range} data-testid="range-${range.key}" @click=${() => this.pick(range)}>${range.title}</button>`;
  }

  /** The range is in the address, so that it survives a reload and can be shared. */
  private pick(range: Range): void {
    if (range === this.range) return;
    this.range = range;
    const address = new URL(location.href);
    address.searchParams.set("range", range.key);
    history.replaceState(null, "", address);
    this.reload();
    this.requestUpdate();
  }

  private get selected(): Set<string> {
    return this.chosen ?? new Set(firstShown(this.measurements));
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

  private charts({ rings, downsampled }: Shown): Html {
    const selected = this.selected;
    const shown = groups(this.measurements)
      .map((group) => ({ ...group, members: group.members.filter(({ measurement }) => selected.has(measurement.key)) }))
      .filter((group) => group.members.length);
    if (!shown.length) return html`<div class="state">Choose what to show.</div>`;
    const to = api.now();
    const from = to - this.range.ms;
    for (const ring of rings.values()) ring.trimBefore(from);
    return html`${shown.map((group) => this.chart(group, { rings, downsampled }, from, to))} ${this.table(shown, rings)}
      ${downsampled ? html`<p class="hint">Thinned out for this range: lows and highs are kept.</p>` : nothing}`;
  }

  private chart({ unit, discrete, members }: Group, { rings, downsampled }: Shown, from: number, to: number): Html {
    const lines = members.map((member) => ({ ...member, data: rings.get(member.measurement.key) ?? EMPTY }));
    const none = lines.every(({ data }) => data.ts.length === 0);
    return html`<div class="chart">
      <iot-chart .lines=${lines} .unit=${unit} ?discrete=${discrete} ?simulated=${this.simulated} ?thinned=${downsampled} .from=${from} .to=${to}></iot-chart>
      ${none ? html`<p class="nothing">No readings in this range.</p>` : nothing}
    </div>`;
  }

  private table(shown: Group[], rings: Map<string, Ring>): Html {
    const rows = shown.flatMap(({ members }) => members);
    return html`<details><summary>View as table</summary>
      <table class="cardy">
        <thead><tr><th scope="col">Measurement</th><th scope="col" class="right">Lowest</th><th scope="col" class="right">Highest</th><th scope="col" class="right">Last</th><th scope="col" class="right">Points</th></tr></thead>
        <tbody>${rows.map(({ measurement }) => tableRow(measurement, rings.get(measurement.key) ?? EMPTY))}</tbody>
      </table>
    </details>`;
  }

  private readonly download = async (): Promise<void> => {
    const { deviceId: id, range } = this;
    this.problem = "";
    try {
      const answer = await api.history(id, api.now() - range.ms, CSV_POINTS);
      const { ts, ...columns } = answer.columns;
      const text = csv({ ts, columns }, this.titles(), answer.simulated ? "simulation" : "device");
      saveFile(new Blob([text], { type: "text/csv" }), `${id.replaceAll(":", "_")}_${range.key}.csv`);
    } catch (error) {
      this.problem = said(error);
    }
    this.requestUpdate();
  };

  private titles(): Record<string, string> {
    return Object.fromEntries(this.measurements.map(({ key, unit }) => [key, unit ? `${key} (${unit})` : key]));
  }
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

function tableRow(m: Measurement, data: { ts: readonly number[]; values: readonly number[] }): Html {
  const s = summary(data);
  const show = (value: number | undefined) => withUnit(number(value, m.decimals), m.unit);
  return html`<tr>
    <td data-label="Measurement">${m.title}</td>
    <td data-label="Lowest" class="right">${show(s?.low)}</td>
    <td data-label="Highest" class="right">${show(s?.high)}</td>
    <td data-label="Last" class="right">${show(s?.last)}</td>
    <td data-label="Points" class="right">${(s?.count ?? 0).toLocaleString("en-GB")}</td>
  </tr>`;
}

customElements.define("iot-history", History);
